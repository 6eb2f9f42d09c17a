/** Captions of scenes beside false ones that differ in one thing: what models are asked to tell apart. */

import { CaptionReader } from "../data/scenes/caption-reader.js";
import type { ScenesDataset } from "../data/scenes/dataset.js";
import { CaptionSwapper, SWAPS, type Swap } from "../data/scenes/swapped.js";
import { randomBelow } from "../metrics/random.js";

const CAPTION_STREAM = 0x6a6d6561;
const seed = 1;

/** A caption of a picture, and the same with one thing swapped, which is false. */
export interface CaptionPair {
  readonly truth: string;
  readonly lie: string;
}

/** A picture with its captions. */
export interface Question {
  /** One of its captions, and the plainest. */
  readonly caption: string;
  readonly plain: string;
  /** By what is swapped, of what its captions speak of. */
  readonly pairs: Readonly<Partial<Record<Swap, CaptionPair>>>;
}

/** The questions about some pictures, the same for all models. */
export function questionsOf(dataset: ScenesDataset, images: readonly number[]): Question[] {
  const { things } = dataset.art;
  const swapper = new CaptionSwapper(things, new CaptionReader(things));
  return images.map((image) => {
    const { scene, captions } = dataset.captioned(image);
    const first = randomBelow(captions.length, seed, CAPTION_STREAM, image);
    // The drawn caption, or the next one that says something of the kind.
    const inOrder = captions.map((_, i) => captions[(first + i) % captions.length]!);
    const pairs: Partial<Record<Swap, CaptionPair>> = {};
    for (const swap of SWAPS) {
      for (const caption of inOrder) {
        const lie = swapper.swapped(scene, caption, swap, { seed, index: image });
        if (!lie) continue;
        pairs[swap] = { truth: caption.text, lie: lie.text };
        break;
      }
    }
    return { caption: captions[first]!.text, plain: captions[0]!.text, pairs };
  });
}
