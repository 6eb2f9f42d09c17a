/** The drawings of the scenes as pixels, and their scaling in integers. */

import type { Vendor } from "../emoji-sources.js";

/** The longer side of a drawing in the sheet, in pixels. */
export const MASTER_SIDE = 64;
/** Least alpha of a pixel that belongs to a drawing. */
export const SOLID = 32;
/** Most bytes of scaled drawings kept. */
const KEPT_BYTES = 48 * 2 ** 20;

/** A drawing: RGBA with colours multiplied by alpha, rows from the top. */
export interface Sprite {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] */
  readonly data: Uint8Array;
}

/** Where a drawing lies in the sheet. */
export interface SheetEntry {
  readonly width: number;
  readonly height: number;
  /** Its first byte in the sheet. */
  readonly offset: number;
  /** Mean colour of its pixels, weighted by alpha. */
  readonly colour: readonly [number, number, number];
}

/** The name of a drawing in the sheet. */
export function spriteKey(vendor: Vendor, code: string): string {
  return `${vendor}/${code}`;
}

/** All drawings, each with its longer side `MASTER_SIDE`, and scaled ones of them. */
export class SpriteSheet {
  readonly #entries: ReadonlyMap<string, SheetEntry>;
  /** The pixels of all drawings, one after the other. In Node they may lie in shared memory. */
  readonly pixels: Uint8Array;
  readonly #scaled = new Map<string, Sprite>();
  #kept = 0;

  constructor(entries: Iterable<readonly [string, SheetEntry]>, pixels: Uint8Array) {
    this.#entries = new Map(entries);
    this.pixels = pixels;
  }

  /** Where each drawing lies, by its name. */
  get entries(): [string, SheetEntry][] {
    return [...this.#entries];
  }

  /** Mean colour of a drawing. */
  colour(vendor: Vendor, code: string): readonly [number, number, number] {
    return this.#entry(vendor, code).colour;
  }

  /** Width and height of a drawing whose longer side is `side`. */
  extent(vendor: Vendor, code: string, side: number): { width: number; height: number } {
    const { width, height } = this.#entry(vendor, code);
    const scaled = (length: number) =>
      Math.max(1, Math.floor((length * side + MASTER_SIDE / 2) / MASTER_SIDE));
    return { width: scaled(width), height: scaled(height) };
  }

  /** A drawing whose longer side is `side` pixels. Scaled ones are kept for the next time. */
  sprite(vendor: Vendor, code: string, side: number): Sprite {
    const key = `${spriteKey(vendor, code)} ${side}`;
    let sprite = this.#scaled.get(key);
    if (sprite === undefined) {
      const { width, height, offset } = this.#entry(vendor, code);
      const data = this.pixels.subarray(offset, offset + width * height * 4);
      const extent = this.extent(vendor, code, side);
      sprite = scaleSprite({ width, height, data }, extent.width, extent.height);
      if (this.#kept > KEPT_BYTES) {
        this.#scaled.clear();
        this.#kept = 0;
      }
      this.#scaled.set(key, sprite);
      this.#kept += sprite.data.length;
    }
    return sprite;
  }

  #entry(vendor: Vendor, code: string): SheetEntry {
    const entry = this.#entries.get(spriteKey(vendor, code));
    if (entry === undefined) throw new RangeError(`the sheet has no drawing of ${code} by ${vendor}`);
    return entry;
  }
}

/**
 * Scales by the area that each source pixel shares with a target pixel (a box filter): sums of integers, divided and rounded once, so
 * that the result is the same everywhere.
 */
export function scaleSprite(source: Sprite, width: number, height: number): Sprite {
  const { width: fromWidth, height: fromHeight, data } = source;
  const rows = new Uint32Array(fromHeight * width * 4);
  for (let x = 0; x < width; x++) {
    // In units of 1 / (width · fromWidth) of the whole side, all bounds are integers.
    for (let i = Math.floor((x * fromWidth) / width); i * width < (x + 1) * fromWidth; i++) {
      const share = Math.min((i + 1) * width, (x + 1) * fromWidth) - Math.max(i * width, x * fromWidth);
      for (let y = 0; y < fromHeight; y++) {
        for (let c = 0; c < 4; c++)
          rows[(y * width + x) * 4 + c]! += share * data[(y * fromWidth + i) * 4 + c]!;
      }
    }
  }
  const area = fromWidth * fromHeight;
  const scaled = new Uint8Array(width * height * 4);
  const line = new Uint32Array(width * 4);
  for (let y = 0; y < height; y++) {
    line.fill(area >> 1);
    for (let i = Math.floor((y * fromHeight) / height); i * height < (y + 1) * fromHeight; i++) {
      const share = Math.min((i + 1) * height, (y + 1) * fromHeight) - Math.max(i * height, y * fromHeight);
      for (let x = 0; x < width * 4; x++) line[x]! += share * rows[i * width * 4 + x]!;
    }
    for (let x = 0; x < width * 4; x++) scaled[y * width * 4 + x] = Math.floor(line[x]! / area);
  }
  return { width, height, data: scaled };
}
