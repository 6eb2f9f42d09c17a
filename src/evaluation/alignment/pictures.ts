/** The pictures of an alignment: captions with their phrases by token, and scenes drawn again with a thing changed. */

import type { Captioner } from "../../captioner/captioner.js";
import type { CaptionReader } from "../../data/scenes/caption-reader.js";
import { compose } from "../../data/scenes/compose.js";
import type { ScenesDataset } from "../../data/scenes/dataset.js";
import type { Scene } from "../../data/scenes/scene.js";
import { toldPhrases } from "../../data/scenes/told.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import { words as wordsOf } from "../../text/words.js";
import { EDITS, edited } from "./edits.js";
import type { MeasuredPicture, PlacedPhrase } from "./looks.js";

/** The phrases of a caption about what a scene shows, with the positions of their tokens. */
export function placedPhrases(
  scene: Scene,
  reader: CaptionReader,
  tokenizer: Pick<Tokenizer, "spans" | "decode" | "endId" | "vocabularySize">,
  tokens: ArrayLike<number>,
): PlacedPhrase[] {
  const words: string[] = [];
  const positions: number[][] = [];
  const ids = Array.from(tokens);
  const end = ids.indexOf(tokenizer.endId);
  for (const { from, to } of tokenizer.spans(ids.slice(0, end < 0 ? ids.length : end))) {
    const own = Array.from({ length: to - from }, (_, i) => from + i);
    for (const word of wordsOf(tokenizer.decode(ids.slice(from, to)))) {
      words.push(word);
      positions.push(own);
    }
  }
  return toldPhrases(scene, reader.read(words)).map(({ words: numbers, role, objects, holds }) => ({
    ...{ role, objects, holds },
    text: numbers.map((number) => words[number]!).join(" "),
    positions: [...new Set(numbers.flatMap((number) => positions[number]!))],
  }));
}

/** The edits of a scene as pictures, bytes [n, size, size, 3]. */
export function editedPictures({ art }: Pick<ScenesDataset, "art">, scene: Scene) {
  const edits = EDITS.flatMap((edit) =>
    scene.entities.flatMap((_, number) => {
      const after = edited(scene, number, edit, art.sheet);
      return after ? [{ ...after, edit }] : [];
    }),
  );
  const each = scene.size ** 2 * 3;
  const bytes = new Uint8Array(edits.length * each);
  for (const [i, { scene: after, hidden }] of edits.entries())
    compose(after, art.sheet, bytes.subarray(i * each, (i + 1) * each), hidden);
  return { edits, bytes };
}

/** Everything that `measureCaption` needs of picture `image` with a caption. */
export async function measuredPicture(
  captioner: Captioner,
  dataset: ScenesDataset,
  reader: CaptionReader,
  { image, codes, tokens }: { image: number; codes: Uint32Array; tokens: Uint32Array },
): Promise<MeasuredPicture> {
  const { scene, boxes } = dataset.annotated(image);
  const { edits, bytes } = editedPictures(dataset, scene);
  const drawn = edits.length === 0 ? new Uint32Array() : await captioner.encodeAll(bytes);
  const { positions } = captioner;
  return {
    ...{ scene, boxes, codes, tokens },
    phrases: placedPhrases(scene, reader, captioner.tokenizer, tokens),
    edits: edits.map((edit, i) => ({ ...edit, codes: drawn.slice(i * positions, (i + 1) * positions) })),
  };
}
