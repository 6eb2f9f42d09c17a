/** Grounds of scenes: plain, gradients and textures in named colours. Integers only. */

import { random32 } from "../../metrics/random.js";
import type { Draws } from "./draws.js";

/** Red, green and blue, 0 … 255. */
export type Rgb = readonly [number, number, number];

/** Colours that captions name, each with the shades that go by the name. */
const COLOURS: Readonly<Record<string, readonly Rgb[]>> = {
  white: [
    [255, 255, 255],
    [248, 248, 246],
  ],
  black: [
    [14, 14, 16],
    [28, 28, 30],
  ],
  gray: [
    [128, 128, 128],
    [150, 152, 155],
    [108, 110, 112],
  ],
  red: [
    [214, 40, 40],
    [196, 24, 36],
    [230, 62, 58],
  ],
  orange: [
    [245, 140, 30],
    [250, 154, 52],
  ],
  yellow: [
    [250, 220, 60],
    [246, 210, 36],
    [252, 230, 98],
  ],
  green: [
    [60, 160, 70],
    [44, 140, 60],
    [84, 178, 84],
  ],
  "light green": [
    [178, 228, 170],
    [194, 236, 188],
  ],
  "dark green": [
    [16, 76, 40],
    [22, 88, 44],
  ],
  blue: [
    [48, 104, 210],
    [36, 86, 196],
    [66, 124, 222],
  ],
  "light blue": [
    [164, 212, 244],
    [180, 222, 248],
  ],
  "dark blue": [
    [18, 34, 92],
    [24, 42, 106],
  ],
  purple: [
    [128, 60, 168],
    [112, 48, 152],
    [144, 80, 182],
  ],
  pink: [
    [246, 150, 190],
    [250, 168, 202],
  ],
  brown: [
    [128, 82, 46],
    [112, 70, 40],
    [140, 94, 56],
  ],
};
/** The names of the colours that grounds have. */
export const COLOUR_NAMES = Object.keys(COLOURS);

/** A shade with the name that captions give it. */
export interface Colour {
  readonly name: string;
  readonly rgb: Rgb;
}

/** A texture of two colours; `period` and sizes are in 96ths of the picture's side. */
export type Ground =
  | { readonly kind: "plain"; readonly colours: readonly [Colour] }
  /** From the first colour (left, top, or top left) to the second. */
  | {
      readonly kind: "gradient";
      readonly colours: readonly [Colour, Colour];
      readonly direction: "right" | "down" | "diagonal";
    }
  | {
      readonly kind: "stripes";
      readonly colours: readonly [Colour, Colour];
      readonly direction: "vertical" | "horizontal" | "diagonal";
      readonly period: number;
    }
  /** Dots of the second colour. */
  | { readonly kind: "dots"; readonly colours: readonly [Colour, Colour]; readonly period: number }
  | { readonly kind: "checks"; readonly colours: readonly [Colour, Colour]; readonly period: number }
  /** Grains around the colour; `grain` is the number of its random field. */
  | { readonly kind: "speckled"; readonly colours: readonly [Colour]; readonly grain: number };

/** Draws a ground: 54 of 100 are plain, 20 gradients, the others textures. */
export function drawGround(draws: Draws): Ground {
  const colour = (name: string): Colour => {
    const [r, g, b] = draws.pick(COLOURS[name]!);
    const shade = (channel: number) => Math.max(0, Math.min(255, channel + draws.between(-6, 6)));
    return { name, rgb: [shade(r), shade(g), shade(b)] };
  };
  const one = () => colour(draws.pick(COLOUR_NAMES));
  /** Two colours that nobody takes for one: their names share no word. */
  const two = (): [Colour, Colour] => {
    const first = one();
    const words = first.name.split(" ");
    const others = COLOUR_NAMES.filter((name) => !name.split(" ").some((word) => words.includes(word)));
    return [first, colour(draws.pick(others))];
  };
  const kind = draws.below(100);
  if (kind < 54) return { kind: "plain", colours: [one()] };
  if (kind < 74)
    return { kind: "gradient", colours: two(), direction: draws.pick(["right", "down", "diagonal"]) };
  if (kind < 82) {
    const direction = draws.pick(["vertical", "horizontal", "diagonal"] as const);
    return { kind: "stripes", colours: two(), direction, period: draws.pick([16, 24, 32]) };
  }
  if (kind < 88) return { kind: "dots", colours: two(), period: draws.pick([12, 16, 24]) };
  if (kind < 94) return { kind: "checks", colours: two(), period: draws.pick([16, 24, 32]) };
  return { kind: "speckled", colours: [one()], grain: draws.below(2 ** 24) };
}

/** The smallest distance of a ground's colours from another colour: the sum over channels, 0 … 765. */
export function distanceFrom({ colours }: Ground, [r, g, b]: Rgb): number {
  const distances = colours.map(
    ({ rgb }) => Math.abs(rgb[0] - r) + Math.abs(rgb[1] - g) + Math.abs(rgb[2] - b),
  );
  return Math.min(...distances);
}

/** Fills a picture [size, size, 3] with a ground. */
export function paintGround(ground: Ground, size: number, target: Uint8Array): void {
  const colourAt = painterOf(ground, size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [red, green, blue] = colourAt(x, y);
      const at = (y * size + x) * 3;
      target[at] = red;
      target[at + 1] = green;
      target[at + 2] = blue;
    }
  }
}

/** The colour of each pixel. */
function painterOf(ground: Ground, size: number): (x: number, y: number) => Rgb {
  const a = ground.colours[0].rgb;
  const b = ground.colours.at(-1)!.rgb;
  /** A length in 96ths of the side as pixels, at least 2. */
  const length = (parts: number) => Math.max(2, Math.floor((parts * size) / 96));
  switch (ground.kind) {
    case "plain":
      return () => a;
    case "gradient": {
      const { direction } = ground;
      const last = Math.max(1, direction === "diagonal" ? 2 * (size - 1) : size - 1);
      // One colour for each step of the way.
      const steps = Array.from({ length: last + 1 }, (_, i): Rgb => {
        const mix = (c: 0 | 1 | 2) => Math.floor((a[c] * (last - i) + b[c] * i) / last);
        return [mix(0), mix(1), mix(2)];
      });
      return (x, y) => steps[direction === "right" ? x : direction === "down" ? y : x + y]!;
    }
    case "stripes": {
      const half = length(ground.period) >> 1;
      const { direction } = ground;
      return (x, y) => {
        const way = direction === "vertical" ? x : direction === "horizontal" ? y : x + y;
        return Math.floor(way / half) % 2 === 0 ? a : b;
      };
    }
    case "checks": {
      const half = length(ground.period) >> 1;
      return (x, y) => ((Math.floor(x / half) + Math.floor(y / half)) % 2 === 0 ? a : b);
    }
    case "dots": {
      const period = length(ground.period);
      return (x, y) => {
        // Every second row of dots is shifted by half a period.
        const row = Math.floor(y / period);
        const dx = 2 * ((x + (row % 2) * (period >> 1)) % period) - period + 1;
        const dy = 2 * (y % period) - period + 1;
        return 4 * (dx * dx + dy * dy) <= period * period ? b : a;
      };
    }
    case "speckled": {
      const { grain } = ground;
      // Grains are 1/48 of the side, so that pictures of other sizes look alike.
      const side = Math.max(1, Math.floor(size / 48));
      const shades = [-18, 0, 18].map((by): Rgb => {
        const shade = (channel: number) => Math.max(0, Math.min(255, channel + by));
        return [shade(a[0]), shade(a[1]), shade(a[2])];
      });
      return (x, y) => shades[random32(grain, Math.floor(x / side), Math.floor(y / side)) % 3]!;
    }
  }
}
