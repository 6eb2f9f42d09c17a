/** Drawn birds with captions: the pictures of the made data sets in this folder. */

import sharp from "sharp";

const colours = {
  red: "#c33",
  blue: "#36c",
  yellow: "#dc3",
  green: "#3a3",
  black: "#222",
  brown: "#853",
  orange: "#e83",
  grey: "#888",
};
const beaks = { short: 4, long: 12 };

export interface Bird {
  /** "002.Blue_Warbler". */
  readonly species: string;
  /** "Blue_Warbler_0003_1203". */
  readonly name: string;
  readonly captions: readonly string[];
  /** Of the body, in pixels of the picture. */
  readonly box: { x: number; y: number; width: number; height: number };
  readonly svg: string;
}

export const pictureWidth = 60;
export const pictureHeight = 44;

/** `count` birds of each of 8 species, with ten captions each. */
export function drawBirds(count: number): Bird[] {
  return Object.entries(colours).flatMap(([colour, fill], i) =>
    Array.from({ length: count }, (_, n): Bird => {
      const word = `${colour[0]!.toUpperCase()}${colour.slice(1)}`;
      const kind = `${word}_Warbler`;
      const beak = n % 2 === 0 ? "short" : "long";
      const [x, y] = [8 + ((3 * n) % 14), 10 + ((5 * n) % 10)];
      const body = `<ellipse cx="${x + 12}" cy="${y + 8}" rx="12" ry="8"/><circle cx="${x + 22}" cy="${y + 3}" r="5"/>`;
      const bill = `<path d="M${x + 26} ${y + 2} l${beaks[beak]} 1 l-${beaks[beak]} 2 Z" fill="#fa0"/>`;
      return {
        species: `${String(i + 1).padStart(3, "0")}.${kind}`,
        name: `${kind}_${String(n + 1).padStart(4, "0")}_${1000 * (i + 1) + n}`,
        captions: captionsOf(colour, beak),
        box: { x, y: y - 2, width: 27 + beaks[beak], height: 18 },
        svg: `<svg xmlns="http://www.w3.org/2000/svg" width="${pictureWidth}" height="${pictureHeight}"><rect width="100%" height="100%" fill="#bde"/><g fill="${fill}">${body}</g>${bill}</svg>`,
      };
    }),
  );
}

function captionsOf(colour: string, beak: string): string[] {
  return [
    `this bird is ${colour} with a ${beak} beak.`,
    `a small, ${colour} bird with a ${beak} bill.`,
    `the bird has ${colour} wings and a ${colour} belly.`,
    `a ${colour} bird, sitting`,
    `this ${colour} bird has a ${beak} orange bill`,
    `bird with ${colour} feathers`,
    `the ${beak} bill of this bird is orange`,
    `a bird, ${colour} all over`,
    `this is a ${colour} warbler`,
    `a ${colour} little bird with a ${beak} beak`,
  ];
}

const drawn = new Map<string, Promise<Buffer>>();

/** A photograph's stand-in, encoded once. `form`: some photographs of the real sets are grey or in CMYK. */
export function birdJpeg({ svg }: Bird, form: "rgb" | "grey" | "cmyk" = "rgb"): Promise<Buffer> {
  const key = `${form} ${svg}`;
  const jpeg = drawn.get(key) ?? encode(svg, form);
  drawn.set(key, jpeg);
  return jpeg;
}

function encode(svg: string, form: "rgb" | "grey" | "cmyk"): Promise<Buffer> {
  const picture = sharp(Buffer.from(svg)).flatten({ background: "#ffffff" });
  if (form === "grey") return picture.toColourspace("b-w").jpeg({ quality: 95 }).toBuffer();
  if (form === "cmyk") return picture.toColourspace("cmyk").jpeg({ quality: 95 }).toBuffer();
  return picture.jpeg({ quality: 95 }).toBuffer();
}
