/** The things that scenes show: names, plurals, drawings, and which of them must not be confused in one picture. */

import { UserError } from "../../platform/errors.js";
import type { Emoji } from "../emoji-sources.js";
import {
  ANIMALS,
  OBJECTS,
  PEOPLE_OF_BOTH_GENDERS,
  PLACES_AND_VEHICLES,
  PLANTS_AND_FOOD,
  SINGLE_PEOPLE,
} from "./names.js";

/** A name of a thing with its plural. */
export interface Name {
  readonly one: string;
  readonly many: string;
}

/** Skin tones that people are drawn in: those that three words tell apart. */
export const TONES = ["light", "medium", "dark"] as const;
/** One of `TONES`. */
export type Tone = (typeof TONES)[number];
/** The genders that people are drawn in. */
export type Gender = "male" | "female";
/** Tone numbers of Unicode. */
const TONE_NUMBERS: Readonly<Record<Tone, number>> = { light: 1, medium: 3, dark: 5 };

/** One way to draw a thing; each vendor has a picture of it. */
export interface Drawing {
  /** The emoji's code, as in `Emoji.code`. */
  readonly code: string;
  readonly tone: Tone | null;
  /** For things that are drawn in both genders; null for others, whose name may tell it. */
  readonly gender: Gender | null;
}

/** Something that scenes show. */
export interface Thing {
  /** Its first name, unique. */
  readonly name: string;
  /** One to three words each, the most usual first. */
  readonly names: readonly Name[];
  readonly kind: "animal" | "person" | "thing";
  readonly drawings: readonly Drawing[];
  /** Words for what it is, more general ones included: two things with a word in common are never in one picture. */
  readonly families: ReadonlySet<string>;
}

/** More general words, each with the first names of what it may be taken for. */
const FAMILIES: Readonly<Record<string, string>> = {
  bird: "turkey,chicken,rooster,chick,hatching chick,penguin,dove,eagle,duck,swan,owl,dodo,flamingo,peacock,parrot,goose,phoenix",
  fish: "shark,blowfish,dolphin,whale,seal",
  ape: "monkey,gorilla,orangutan",
  cattle: "cow,ox,bison",
  pig: "boar",
  sheep: "ram,goat",
  cat: "lion,tiger,leopard",
  horse: "donkey,zebra,unicorn",
  deer: "moose",
  camel: "llama",
  rodent: "mouse,rat,hamster,chipmunk,beaver",
  reptile: "crocodile,lizard,dragon,brontosaurus,tyrannosaurus",
  elephant: "mammoth",
  dog: "poodle,wolf,fox",
  bug: "ant,bee,beetle,ladybug,spider,mosquito,fly",
  monster: "alien,space invader,goblin,ogre,ghost,robot,skull",
  flower:
    "cherry blossom,white flower,rose,wilted flower,hibiscus,sunflower,yellow flower,tulip,hyacinth,lotus,bouquet",
  tree: "evergreen,palm tree,christmas tree",
  leaf: "shamrock,seedling,maple leaf,fallen leaf",
  citrus: "orange,lemon,lime",
  pepper: "chili pepper,bell pepper",
  bread: "baguette,croissant",
  cake: "birthday cake,shortcake,cupcake,moon cake",
  glass: "wine glass,cocktail glass,milk glass,tumbler,tropical drink,beer mug",
  cup: "coffee cup,teacup,soda cup,bubble tea",
  bottle: "sake bottle,champagne bottle,baby bottle,lotion bottle",
  vessel: "jar,amphora,urn",
  building:
    "house,hut,hospital,bank,hotel,school,factory,castle,japanese castle,church,mosque,synagogue,garden house,stadium",
  train: "steam locomotive,bullet train,tram,monorail",
  car: "taxi,police car,racing car,cable car",
  truck: "pickup truck,delivery truck,big truck,fire truck,ambulance",
  motorcycle: "motor scooter,kick scooter,bicycle",
  boat: "sailboat,canoe,speedboat,ferry,motorboat,ship",
  aircraft: "airplane,small airplane",
  clock: "watch,alarm clock,stopwatch,timer,mantel clock",
  moon: "new moon,full moon,crescent moon",
  sky: "planet,globe,star,shooting star,comet,sun,sun face",
  ball: "soccer ball,baseball,basketball,volleyball,american football,rugby ball,billiard ball,crystal ball,disco ball,yarn ball",
  shoe: "sneaker,dress shoe,hiking boot,high heel,sandal,boot,ice skate,roller skate",
  hat: "sun hat,top hat,graduation cap,baseball cap,military helmet,rescue helmet",
  bag: "purse,handbag,clutch bag,backpack,briefcase,suitcase,money bag",
  shirt: "t-shirt,sleeveless shirt,coat,lab coat,safety vest,kimono,sari,dress",
  horn: "saxophone,trumpet,post horn",
  strings: "guitar,violin,banjo",
  phone: "mobile phone,telephone,telephone receiver",
  computer: "laptop,desktop computer",
  disk: "floppy disk,dvd",
  camera: "movie camera,camera,video camera",
  book: "closed book,open book,green book,blue book,orange book,notebook",
  note: "dollar bill,euro note",
  mail: "envelope,love letter,red envelope,package,mailbox,postbox",
  pen: "fountain pen,pen,pencil,crayon,paintbrush",
  lock: "padlock,open lock",
  lamp: "red lantern,diya lamp,candle,flashlight,light bulb",
  box: "bento box,takeout box,ballot box,toolbox",
  medal: "gold medal,military medal",
  ring: "life preserver",
  bowl: "noodle bowl,rice bowl,ice cream bowl,curry plate",
  ruler: "ruler,triangular ruler",
  mic: "microphone,studio microphone",
  bucket: "bucket,wastebasket,basket,popcorn bucket",
  shell: "oyster,snail",
  traffic: "traffic light,horizontal traffic light",
  biscuit: "cookie,fortune cookie,doughnut,bagel",
  bow: "longbow,ribbon",
};

/** Reads `names.ts`; `emoji` gives the codes. Throws a `UserError` if an emoji is missing. */
export function listThings(emoji: readonly Emoji[]): Thing[] {
  const codes = new Map<string, string>();
  for (const { code, label, tones } of emoji) if (tones.length === 0) codes.set(label.toLowerCase(), code);
  const toned = new Map<string, string>();
  for (const { code, base, tones } of emoji) if (tones.length === 1) toned.set(`${base} ${tones[0]}`, code);
  const codeOf = (label: string) => {
    const code = codes.get(label.toLowerCase());
    if (code === undefined) throw new UserError(`the emoji packages have no emoji named "${label}"`);
    return code;
  };
  const inTones = (label: string, gender: Gender | null): Drawing[] =>
    TONES.map((tone) => {
      const code = toned.get(`${codeOf(label)} ${TONE_NUMBERS[tone]}`);
      if (code === undefined) throw new UserError(`the emoji packages have no "${label}" in a ${tone} tone`);
      return { code, tone, gender };
    });
  const plain = (label: string): Drawing[] => [{ code: codeOf(label), tone: null, gender: null }];
  const both = (name: string) => [...inTones(`man ${name}`, "male"), ...inTones(`woman ${name}`, "female")];
  const things = [
    ...entriesOf(ANIMALS, "animal", plain),
    ...[PLANTS_AND_FOOD, PLACES_AND_VEHICLES, OBJECTS].flatMap((text) => entriesOf(text, "thing", plain)),
    ...entriesOf(SINGLE_PEOPLE, "person", (label) => inTones(label, null)),
    ...entriesOf(PEOPLE_OF_BOTH_GENDERS, "person", both),
  ];
  const names = new Set<string>();
  for (const { name } of things) {
    if (names.has(name)) throw new Error(`two things are named "${name}"`);
    names.add(name);
  }
  return things;
}

function entriesOf(text: string, kind: Thing["kind"], drawingsOf: (label: string) => Drawing[]): Thing[] {
  return text
    .split(";")
    .map((entry) => entry.trim())
    .map((entry) => {
      const [labels, written = labels!] = entry.split(">").map((part) => part.trim());
      const names = written.split(",").map((name) => nameOf(name.trim()));
      const [{ one: name }] = names as [Name];
      return {
        name,
        names,
        kind,
        drawings: labels!.split("+").flatMap((label) => drawingsOf(label.trim())),
        families: familiesOf(name, names, kind),
      };
    });
}

function nameOf(text: string): Name {
  const [one, many] = text.split("/");
  return { one: one!, many: many ?? plural(one!) };
}

/** All names, the last word of each, and the families: "hot dog" shares "dog" with "dog". People are one family. */
function familiesOf(name: string, names: readonly Name[], kind: Thing["kind"]): Set<string> {
  const all = names.flatMap(({ one }) => [one, one.split(" ").at(-1)!]);
  const general = Object.entries(FAMILIES)
    .filter(([, members]) => members.split(",").includes(name))
    .map(([family]) => family);
  return new Set([...all, ...general, ...(kind === "person" ? ["person"] : [])]);
}

/** The regular plural of a noun. */
export function plural(noun: string): string {
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return /(s|x|z|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
}

/** "a" or "an", by the sound that a word begins with. */
export function article(word: string): "a" | "an" {
  if (/^(uni|eu|ufo|ukul|one|use)/.test(word)) return "a";
  return /^[aeiou]|^hour/.test(word) ? "an" : "a";
}
