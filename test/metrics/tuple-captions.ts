/**
 * Captions with their tuples, labelled by hand before the rules were run on them: pictures of birds, everyday scenes as in COCO,
 * emoji. One caption a line, then its tuples; words are lemmas, "has" and "with" are "have", a verb takes its preposition along.
 */

const LABELLED = `
this bird has a yellow breast and a short pointed beak | bird; breast; beak; breast,yellow; beak,short; beak,pointed; bird,have,breast; bird,have,beak
a small brown bird with a white throat | bird; throat; bird,small; bird,brown; throat,white; bird,have,throat
the bird is blue with black wings and a grey belly | bird; wing; belly; bird,blue; wing,black; belly,grey; bird,have,wing; bird,have,belly
this is a large black bird with a red face | bird; face; bird,large; bird,black; face,red; bird,have,face
a bird with a long neck and orange feet | bird; neck; foot; neck,long; foot,orange; bird,have,neck; bird,have,foot
this bird is white and gray with webbed feet | bird; foot; bird,white; bird,gray; foot,webbed; bird,have,foot
the bird has a brown crown and its wings are spotted | bird; crown; wing; crown,brown; bird,have,crown; wing,spotted
a colorful bird sitting on a thin branch | bird; branch; bird,colorful; branch,thin; bird,sit on,branch
this bird has wings that are black and a belly that is yellow | bird; wing; belly; wing,black; belly,yellow; bird,have,wing; bird,have,belly
a tiny green hummingbird drinking from a red flower | hummingbird; flower; hummingbird,tiny; hummingbird,green; flower,red; hummingbird,drink from,flower
the head of the bird is bright red | head; bird; head,of,bird; head,red; head,bright
a black bird with white stripes on its wings | bird; stripe; wing; bird,black; stripe,white; bird,have,stripe; stripe,on,wing
two birds standing on a wooden fence | bird; fence; bird,two; fence,wooden; bird,stand on,fence
a man in a blue shirt riding a brown horse | man; shirt; horse; shirt,blue; horse,brown; man,in,shirt; man,ride,horse
a woman holding a red umbrella in the rain | woman; umbrella; rain; umbrella,red; woman,hold,umbrella; umbrella,in,rain
a young boy kicks a soccer ball on a green field | boy; ball; field; boy,young; ball,soccer; field,green; boy,kick,ball; ball,on,field
a cat is sleeping on a couch next to a pillow | cat; couch; pillow; cat,sleep on,couch; couch,next to,pillow
three people are sitting at a table | people; table; people,three; people,sit at,table
a plate of food with rice and vegetables | plate; food; rice; vegetable; plate,of,food; food,have,rice; food,have,vegetable
a dog runs across the beach | dog; beach; dog,run across,beach
a large clock on the side of a tall building | clock; building; clock,large; building,tall; clock,on the side of,building
a yellow train is parked at the station | train; station; train,yellow; train,park at,station
a man and a woman are cutting a cake | man; woman; cake; man,cut,cake; woman,cut,cake
a kitchen with a white stove and a microwave | kitchen; stove; microwave; stove,white; kitchen,have,stove; kitchen,have,microwave
a teddy bear sitting in a chair | bear; chair; bear,teddy; bear,sit in,chair
an old motorcycle parked in front of a store | motorcycle; store; motorcycle,old; motorcycle,park in front of,store
a group of people flying kites in a park | group; people; kite; park; group,of,people; group,fly,kite; kite,in,park
a giraffe eats leaves from a tree | giraffe; leaf; tree; giraffe,eat,leaf; leaf,from,tree
a snowboarder jumps over a rail | snowboarder; rail; snowboarder,jump over,rail
the child is wearing a striped hat | child; hat; hat,striped; child,wear,hat
a bowl of fresh fruit on a table | bowl; fruit; table; bowl,of,fruit; fruit,fresh; fruit,on,table
a bathroom with a toilet and a sink under a mirror | bathroom; toilet; sink; mirror; bathroom,have,toilet; bathroom,have,sink; sink,under,mirror
two zebras are grazing in a grassy field | zebra; field; zebra,two; field,grassy; zebra,graze in,field
a girl with long hair eating pizza | girl; hair; pizza; hair,long; girl,have,hair; girl,eat,pizza
a red double decker bus driving down the street | bus; street; bus,red; bus,double; bus,decker; bus,drive down,street
a surfer rides a big wave in the ocean | surfer; wave; ocean; wave,big; surfer,ride,wave; wave,in,ocean
the laptop is on the desk | laptop; desk; laptop,on,desk
a baseball player swinging a bat | player; bat; player,baseball; player,swing,bat
grinning face with big eyes | face; eye; face,grinning; eye,big; face,have,eye
woman with dark skin and curly hair | woman; skin; hair; skin,dark; hair,curly; woman,have,skin; woman,have,hair
man running | man; man,run
a sleepy cat with a crescent moon | cat; moon; cat,sleepy; moon,crescent; cat,have,moon
red heart with an arrow | heart; arrow; heart,red; heart,have,arrow
person in a wheelchair | person; wheelchair; person,in,wheelchair
house with a garden | house; garden; house,have,garden
a smiling cat face | face; face,cat; face,smiling
the boy's shirt is green | boy; shirt; boy,have,shirt; shirt,green
a bald man wearing glasses | man; glasses; man,bald; man,wear,glasses
`;

/** Labelled after the rules were finished, and never used to change them. */
const HELD_OUT = `
a man wearing a black helmet is riding a bicycle down a busy street | man; helmet; bicycle; street; helmet,black; street,busy; man,wear,helmet; man,ride,bicycle; bicycle,down,street
two giraffes and a zebra stand near a tall tree | giraffe; zebra; tree; giraffe,two; tree,tall; giraffe,stand near,tree; zebra,stand near,tree
a white plate topped with a sandwich and french fries | plate; sandwich; fries; plate,white; fries,french; plate,top with,sandwich; plate,top with,fries
a little girl brushing her teeth in front of a mirror | girl; tooth; mirror; girl,little; girl,brush,tooth; tooth,in front of,mirror
this bird has a dark green head, a white collar and a bright yellow bill | bird; head; collar; bill; head,dark; head,green; collar,white; bill,bright; bill,yellow; bird,have,head; bird,have,collar; bird,have,bill
the small bird has brown feathers and black eyes | bird; feather; eye; bird,small; feather,brown; eye,black; bird,have,feather; bird,have,eye
an airplane flying over snowy mountains | airplane; mountain; mountain,snowy; airplane,fly over,mountain
a person on skis going down a slope | person; ski; slope; person,on,ski; person,go down,slope
a vase filled with purple flowers sits on a window sill | vase; flower; sill; flower,purple; sill,window; vase,fill with,flower; vase,sit on,sill
the dog's tail is long and fluffy | dog; tail; dog,have,tail; tail,long; tail,fluffy
an elephant standing in the water with its trunk raised | elephant; water; trunk; elephant,stand in,water; elephant,have,trunk; trunk,raise
a city street with cars and a traffic light | street; car; light; street,city; light,traffic; street,have,car; street,have,light
crying face with an open mouth | face; mouth; face,crying; mouth,open; face,have,mouth
a horse pulls a wooden cart | horse; cart; cart,wooden; horse,pull,cart
`;

interface Labelled {
  readonly caption: string;
  readonly tuples: readonly string[][];
}

const parse = (text: string): Labelled[] =>
  text
    .trim()
    .split("\n")
    .map((line) => {
      const [caption, tuples] = line.split(" | ") as [string, string];
      return { caption, tuples: tuples.split("; ").map((tuple) => tuple.split(",")) };
    });

/** Captions and their tuples. Before any correction the rules found P .877, R .881 of them. */
export const labelledCaptions: readonly Labelled[] = parse(LABELLED);
export const heldOutCaptions: readonly Labelled[] = parse(HELD_OUT);
