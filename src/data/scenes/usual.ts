/** The things that a data set of few things shows. */

/** First names of usual things, animals, people and others by turns: a data set of few things takes those from the start. */
export const USUAL =
  "dog,cat,horse,man,woman,tree,house,car,star,red apple,cow,elephant,penguin,girl,umbrella,guitar,pizza,sailboat,sunflower,key,bear,fish,butterfly,boy,bicycle,banana,crown,balloon,mushroom,airplane,pig,lion,frog,doctor,chair,coffee cup,sun,soccer ball,train,strawberry,rabbit,turtle,duck,astronaut,bus,camera,bell,hamburger,cactus,candle,sheep,giraffe,owl,farmer,rocket,present,hammer,birthday cake,rainbow,drum,monkey,snail,octopus,cook,bed,egg,television,ice cream cone,tent,boot,tiger,crab,bee,police officer,motorcycle,carrot,alarm clock,anchor,castle,light bulb,zebra,shark,snake,firefighter,tractor,watermelon,telephone,kite,ladder,backpack,chicken,whale,spider,princess,ambulance,cupcake,magnifying glass,trophy,envelope,bucket".split(
    ",",
  );
