import { randomUnit } from "../metrics/random.js";

const STREAM = 0x61756731;
/** Draws crops and flips, so that those above stay as they were. */
const MORE = 0x61756732;

/** Bounds of a random change of a picture; each picture draws its own values, uniformly within them. */
export interface Augmentation {
  /** Largest shift in either direction, as a share of the side length. */
  readonly shift: number;
  /** Largest relative change of size: 0.1 draws factors between 0.9 and 1.1. */
  readonly scale: number;
  /** Largest relative change of brightness. */
  readonly brightness: number;
  /** Whether half of the pictures are mirrored, left to right. */
  readonly flip?: boolean;
  /** Largest share of the side that is cut off: 0.2 keeps a square of 0.8 to 1 of the side, at a random place, and enlarges it. */
  readonly crop?: number;
}

/** Mild enough that captions stay true. There is no mirroring: captions may say left or right (`flip` is for those that do not). */
export const LIGHT_AUGMENTATION: Augmentation = { shift: 0.05, scale: 0.08, brightness: 0.06 };

/** The augmentation of a run: `LIGHT_AUGMENTATION` with what its settings `data.flip` and `data.randomCrop` add. */
export function augmentationOf(data: { readonly flip: boolean; readonly randomCrop: number }): Augmentation {
  return { ...LIGHT_AUGMENTATION, flip: data.flip, crop: data.randomCrop };
}

/**
 * Shifts a picture [size, size, 3], scales it about its centre and changes its brightness a little; pixels from outside are
 * white. A pure function of (seed, step, index); `index` is the picture's place in its batch.
 *
 * Each target pixel is interpolated bilinearly at centre + (pixel − centre − shift) / scale of the source, then multiplied by the
 * brightness factor and clamped to 0 … 255. With a crop, the source is the square that it keeps; with a flip, x runs backwards.
 * Writes to `target` if given, else to a new array.
 */
export function augment(
  source: Uint8Array,
  size: number,
  key: { seed: number; step: number; index: number },
  amount: Augmentation = LIGHT_AUGMENTATION,
  target: Uint8Array = new Uint8Array(source.length),
): Uint8Array {
  if (source.length !== size * size * 3 || target.length !== source.length) {
    throw new RangeError(
      `augment: a picture of side ${size} has ${size * size * 3} bytes, not ${source.length}`,
    );
  }
  const draw = (which: number) => 2 * randomUnit(key.seed ^ STREAM, key.step, key.index * 4 + which) - 1;
  const shiftX = draw(0) * amount.shift * size;
  const shiftY = draw(1) * amount.shift * size;
  const scale = 1 + draw(2) * amount.scale;
  const brightness = 1 + draw(3) * amount.brightness;
  const more = (which: number) => randomUnit(key.seed ^ MORE, key.step, key.index * 4 + which);
  const kept = 1 - (amount.crop ? more(0) * amount.crop : 0);
  const [left, top] = kept < 1 ? [more(1), more(2)].map((at) => at! * (1 - kept) * (size - 1)) : [0, 0];
  const mirrored = amount.flip === true && more(3) < 0.5;
  const centre = (size - 1) / 2;
  const sample = (x: number, y: number, channel: number) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return 255;
    return source[(y * size + x) * 3 + channel]!;
  };
  for (let y = 0; y < size; y++) {
    const sourceY = top! + kept * (centre + (y - centre - shiftY) / scale);
    const y0 = Math.floor(sourceY);
    const fy = sourceY - y0;
    for (let x = 0; x < size; x++) {
      const across = mirrored ? size - 1 - x : x;
      const sourceX = left! + kept * (centre + (across - centre - shiftX) / scale);
      const x0 = Math.floor(sourceX);
      const fx = sourceX - x0;
      for (let c = 0; c < 3; c++) {
        const above = sample(x0, y0, c) * (1 - fx) + sample(x0 + 1, y0, c) * fx;
        const below = sample(x0, y0 + 1, c) * (1 - fx) + sample(x0 + 1, y0 + 1, c) * fx;
        const value = (above * (1 - fy) + below * fy) * brightness;
        target[(y * size + x) * 3 + c] = Math.min(255, Math.max(0, Math.round(value)));
      }
    }
  }
  return target;
}
