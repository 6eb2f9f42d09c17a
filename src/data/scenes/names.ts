/**
 * The things of the scenes, as text: entries separated by ";". An entry is the CLDR name of an emoji, or of several joined by "+"
 * that are drawings of the same thing, and after ">" the names of the thing, the most usual first. Without ">" the CLDR name is
 * the only name. A plural that the rules of `plural` do not make follows a "/". Further names are from CLDR's names and keywords and
 * from WordNet's synsets; a test looks each of them up.
 */

export const ANIMALS = `
monkey+monkey face > monkey; gorilla; orangutan; dog+dog face > dog, hound; poodle; wolf > wolf/wolves; fox; raccoon; cat; black cat; lion;
tiger+tiger face > tiger; leopard; horse+horse face > horse; moose > moose/moose, elk/elk; donkey > donkey, burro; unicorn; zebra;
deer > deer/deer; bison > bison/bison; ox > ox/oxen, bull; cow+cow face > cow; pig+pig face > pig, hog; boar; ram; ewe > sheep/sheep, ewe; goat;
camel > camel, dromedary; llama; giraffe; elephant; mammoth; rhinoceros > rhino, rhinoceros/rhinoceroses;
hippopotamus > hippo, hippopotamus/hippopotamuses; mouse+mouse face > mouse/mice; rat; hamster; rabbit+rabbit face > rabbit, bunny;
chipmunk > chipmunk, squirrel; beaver; hedgehog; bat; bear; polar bear; koala; panda; sloth; otter; skunk; kangaroo; badger; turkey;
chicken > chicken, hen; rooster > rooster, cock; baby chick+front-facing baby chick > chick, baby chick; hatching chick; bird; penguin; dove; eagle;
duck; swan; owl; dodo; flamingo; peacock; parrot; goose > goose/geese; phoenix; frog; crocodile; turtle > turtle, tortoise; lizard;
snake > snake, serpent; dragon+dragon face > dragon; sauropod > brontosaurus/brontosauruses, sauropod; T-Rex > tyrannosaurus/tyrannosauruses;
whale+spouting whale > whale; dolphin; seal; fish > fish/fish; tropical fish > tropical fish/tropical fish;
blowfish > blowfish/blowfish, pufferfish/pufferfish; shark; octopus; jellyfish > jellyfish/jellyfish; crab; lobster; shrimp > shrimp/shrimp, prawn;
squid > squid/squid; oyster; snail; butterfly; bug > caterpillar, bug; ant; honeybee > bee, honeybee; beetle; lady beetle > ladybug, ladybird; spider;
scorpion; mosquito > mosquito/mosquitoes; fly; worm; robot; ghost; alien > alien, extraterrestrial;
alien monster > space invader/space invaders, alien monster; goblin; ogre; skull; snowman without snow+snowman > snowman/snowmen;
teddy bear > teddy bear, teddy
`;

export const PLANTS_AND_FOOD = `
bouquet; cherry blossom; white flower; lotus > lotus/lotuses; rose; wilted flower; hibiscus > hibiscus/hibiscuses; sunflower;
blossom > yellow flower, blossom; tulip; hyacinth; seedling > seedling, sprout; potted plant > potted plant, houseplant;
evergreen tree > evergreen, pine; deciduous tree > tree; palm tree > palm tree, palm; cactus > cactus/cacti; shamrock; four leaf clover;
maple leaf > maple leaf/maple leaves; fallen leaf > fallen leaf/fallen leaves; mushroom > mushroom, toadstool; brown mushroom; coral;
spiral shell > shell, seashell; feather > feather, plume; melon; watermelon; tangerine > orange, tangerine; lemon; lime; banana; pineapple;
mango > mango/mangoes; red apple; green apple; pear; peach; strawberry; kiwi fruit > kiwi, kiwi fruit; tomato > tomato/tomatoes; olive; coconut;
avocado; eggplant > eggplant, aubergine; potato > potato/potatoes; carrot; hot pepper > chili pepper, hot pepper; bell pepper; cucumber; onion;
chestnut; pea pod; croissant; baguette bread > baguette; pretzel; bagel; waffle; cheese wedge; meat on bone > meat bone;
poultry leg > drumstick, chicken leg; cut of meat > steak; hamburger > hamburger, burger; pizza; hot dog > hot dog, frankfurter; sandwich; taco;
burrito; egg; rice ball; bento box > bento box, lunch box; birthday cake; shortcake; cupcake; pie; chocolate bar; candy; lollipop; honey pot;
doughnut > doughnut, donut; cookie > cookie, biscuit; soft ice cream > ice cream cone; ice cream > ice cream bowl; moon cake; dumpling;
fortune cookie; takeout box; canned food > tin can, can; popcorn > popcorn bucket; garlic > garlic bulb; broccoli > broccoli head;
ear of corn > corn cob; salt > salt shaker; butter > butter dish; green salad; custard > custard, pudding;
fried shrimp > fried shrimp/fried shrimp, tempura; baby bottle; glass of milk > milk glass; hot beverage > coffee cup; teapot;
teacup without handle > teacup; sake > sake bottle; bottle with popping cork > champagne bottle; wine glass;
cocktail glass > cocktail glass, martini glass; tropical drink; beer mug; tumbler glass > tumbler; cup with straw > soda cup; bubble tea;
beverage box > juice box; spoon; kitchen knife > knife/knives, kitchen knife/kitchen knives; jar; amphora > amphora, vase; sushi > sushi roll;
steaming bowl > noodle bowl; curry rice > curry plate; cooked rice > rice bowl
`;

export const PLACES_AND_VEHICLES = `
compass; volcano > volcano/volcanoes; desert island > desert island, island; stadium; brick; rock > rock, stone; wood > log; hut; house; hospital;
bank; hotel; school; factory; castle; Tokyo tower > radio tower; church; mosque; synagogue; fountain; tent; carousel horse;
playground slide > slide, playground slide; ferris wheel; roller coaster; barber pole; circus tent; locomotive > steam locomotive, locomotive;
bullet train; train; tram; monorail; bus; ambulance; fire engine > fire truck, fire engine; police car > police car, patrol car; taxi > taxi, cab;
automobile > car, automobile; pickup truck > pickup truck, pickup; delivery truck > delivery truck, truck;
articulated lorry > big truck; tractor; racing car > racing car, race car; motorcycle > motorcycle, motorbike; motor scooter; manual wheelchair;
motorized wheelchair > electric wheelchair; auto rickshaw; bicycle > bicycle, bike; kick scooter; skateboard; roller skate; bus stop; oil drum;
fuel pump > gas pump, fuel pump; wheel; horizontal traffic light; vertical traffic light > traffic light; stop sign; construction > barrier; anchor;
ring buoy > life preserver, ring buoy; sailboat; canoe; speedboat; ferry; motor boat > motorboat; ship; airplane > airplane, aeroplane;
small airplane; parachute; helicopter; aerial tramway > cable car, gondola; satellite; rocket; flying saucer > flying saucer, ufo; bellhop bell;
luggage > suitcase; hourglass done+hourglass not done > hourglass; watch; alarm clock; stopwatch; timer clock > timer, timer clock;
mantelpiece clock > mantel clock; new moon; full moon; crescent moon > crescent moon, crescent; full moon face; sun with face > sun face; sun;
thermometer; ringed planet > planet, ringed planet; star; shooting star; cloud; cloud with rain > rain cloud; cloud with snow > snow cloud;
cloud with lightning > storm cloud; tornado > tornado/tornadoes, twister; rainbow; closed umbrella; umbrella;
umbrella on ground > beach umbrella, parasol; snowflake; comet; fire > fire, flame; droplet > droplet, water drop; water wave > wave, water wave;
moai; globe showing Europe-Africa+globe showing Americas+globe showing Asia-Australia > globe; world map; statue of liberty > statue;
Japanese castle > japanese castle; house with garden > garden house
`;

export const OBJECTS = `
jack-o-lantern > jack-o-lantern, halloween pumpkin; Christmas tree > christmas tree; firecracker; balloon; party popper; confetti ball; carp streamer;
wind chime; red envelope; ribbon > ribbon, bow; wrapped gift > present, gift; reminder ribbon > awareness ribbon, reminder ribbon; ticket;
admission tickets > admission ticket; military medal; trophy; 1st place medal > gold medal; soccer ball > soccer ball, football; baseball; basketball;
volleyball; american football; rugby football > rugby ball; tennis > tennis racket; flying disc > frisbee, flying disc; bowling > bowling pin;
boxing glove; goal net > goal net, goal; flag in hole > golf flag; ice skate; fishing pole > fishing pole, fishing rod; diving mask;
running shirt > sleeveless shirt; sled > sled, sledge; curling stone; bullseye > dart target, bullseye; yo-yo; kite;
water pistol > water gun, water pistol; pool 8 ball > billiard ball; crystal ball; magic wand > magic wand, wand;
video game > game controller, gamepad; joystick; slot machine; game die > die/dice; puzzle piece; piñata > pinata;
mirror ball > disco ball, mirror ball; nesting dolls > nesting doll; chess pawn > chess pawn, pawn; framed picture > picture frame;
artist palette > palette, artist palette; thread > thread spool; sewing needle > sewing needle, needle; yarn > yarn ball; knot;
necktie > necktie, tie; t-shirt; scarf > scarf/scarves; coat > coat, jacket; dress; kimono; sari; lab coat; safety vest; bikini;
folding hand fan; purse; handbag; clutch bag > clutch bag, pouch; backpack > backpack, rucksack; man’s shoe > dress shoe;
running shoe > sneaker, running shoe; hiking boot; high-heeled shoe > high heel, stiletto; woman’s sandal > sandal; woman’s boot > boot;
hair pick > comb; crown; woman’s hat > sun hat; top hat; graduation cap; billed cap > baseball cap, cap; military helmet;
rescue worker’s helmet > rescue helmet; lipstick; ring; gem stone > gem, diamond, jewel; megaphone; postal horn > post horn, postal horn; bell;
studio microphone; microphone > microphone, mike; headphone > headset; radio; saxophone > saxophone, sax; trumpet;
accordion > accordion, squeeze box; guitar; musical keyboard > piano keyboard; violin > violin, fiddle; banjo; drum;
long drum > conga drum, long drum; flute; mobile phone > mobile phone, cell phone; telephone > telephone, phone;
telephone receiver > telephone receiver, receiver; battery; electric plug > electric plug, plug; laptop; desktop computer; printer; keyboard;
computer mouse > computer mouse/computer mice; floppy disk; dvd; abacus > abacus/abacuses; movie camera; film projector; clapper board > clapperboard;
television > television, tv; camera; video camera > video camera, camcorder; videocassette > videocassette, vhs tape;
magnifying glass tilted left+magnifying glass tilted right > magnifying glass; candle; light bulb; flashlight > flashlight, torch;
red paper lantern > red lantern, paper lantern; diya lamp > diya lamp, oil lamp; closed book > closed book, red book; open book; green book;
blue book; orange book; notebook; scroll; newspaper; label > tag, label; coin; money bag > money bag, moneybag; dollar banknote > dollar bill;
euro banknote > euro note; credit card; receipt; envelope; package > package, parcel; postbox;
closed mailbox with raised flag+closed mailbox with lowered flag > mailbox; ballot box with ballot > ballot box; pencil; fountain pen;
pen > pen, ballpoint; paintbrush; crayon; briefcase; file folder+open file folder > file folder, folder; calendar+tear-off calendar > calendar;
bar chart; clipboard; pushpin; paperclip; straight ruler > ruler; triangular ruler; file cabinet > filing cabinet, file cabinet;
wastebasket > wastebasket, trash can; locked > padlock, lock; unlocked > open lock; key; old key; hammer; axe > axe, hatchet; pick > pickaxe, pick;
dagger; bomb; boomerang; shield; carpentry saw > saw; wrench > wrench, spanner; screwdriver; gear > gear, cogwheel; clamp;
balance scale > balance scale, balance; hook; toolbox; magnet; ladder; alembic; test tube; petri dish; microscope; telescope; syringe; pill;
adhesive bandage; crutch; stethoscope; door; elevator > elevator, lift; mirror; window; bed; chair; toilet; plunger; shower; bathtub > bathtub, bath;
mouse trap > mousetrap, mouse trap; razor; lotion bottle; safety pin; broom; basket; bucket > bucket, pail; soap > soap bar; toothbrush; sponge;
fire extinguisher > fire extinguisher, extinguisher; shopping cart > shopping cart, trolley; coffin; headstone > headstone, gravestone;
funeral urn > urn, funeral urn; bone; tooth > tooth/teeth; brain; anatomical heart; mechanical arm; mechanical leg; red heart; orange heart;
yellow heart; green heart; blue heart; purple heart; black heart; broken heart; love letter; speech balloon > speech bubble, speech balloon;
bow and arrow > longbow; spider web > spider web, cobweb; nest with eggs > bird nest, nest
`;

/** People without a choice of gender. Their drawings come in tones. */
export const SINGLE_PEOPLE = `
baby; boy; girl; man > man/men; woman > woman/women; old man > old man/old men; old woman > old woman/old women; prince; princess;
Santa Claus > santa; ninja; pregnant woman > pregnant woman/pregnant women; baby angel > baby angel, angel; merman > merman/mermen; mermaid
`;

/** People who are drawn as a man and as a woman: "man NAME" and "woman NAME". */
export const PEOPLE_OF_BOTH_GENDERS = `
health worker > doctor, health worker; student > student, graduate; teacher; judge; farmer; cook > cook, chef; mechanic;
factory worker > welder, factory worker; scientist > scientist, chemist; singer > singer, rock star; artist > artist, painter; pilot; astronaut;
firefighter > firefighter; police officer > police officer, cop; detective > detective, sleuth; guard; construction worker;
superhero > superhero/superheroes, hero/heroes; mage > mage, sorcerer; vampire; elf > elf/elves; fairy
`;
