/** Measures the alignment of a captioner's words with the things in pictures of scenes. */

import type { Captioner } from "../../captioner/captioner.js";
import { imagesOf } from "../../data/dataset.js";
import { CaptionReader } from "../../data/scenes/caption-reader.js";
import type { ScenesDataset } from "../../data/scenes/dataset.js";
import type { SamplingOptions } from "../../models/sampling-settings.js";
import { questionsOf } from "../caption-pairs.js";
import { encodeImages } from "../pictures.js";
import { type CaptionLooks, measureCaption } from "./looks.js";
import { measuredPicture } from "./pictures.js";
import { type PairLook, tellApart } from "./told-apart.js";
import { CaptionerWords } from "./word-model.js";

/** Which captions are measured: those that the model says, or the data set's own, which are the same for all models. */
export const CAPTIONS = ["generated", "references"] as const;

/** Options of `alignCaptioner`. */
export interface AlignOptions extends SamplingOptions {
  /** Default: generated. */
  readonly captions?: (typeof CAPTIONS)[number];
  /** Most places elsewhere that the region of a phrase is compared with; default 4. */
  readonly regions?: number;
  /** Called with the pictures measured so far. */
  readonly onPicture?: (done: number) => void;
}

/** The captions of some pictures and their measures. */
export interface AlignedCaptions {
  readonly captions: readonly string[];
  /** Null for a caption without a word about what the picture shows. */
  readonly looks: readonly (CaptionLooks | null)[];
  /** For each picture, captions of the data set beside false ones; the same captions for all models. */
  readonly pairs: readonly (readonly PairLook[])[];
}

/** Captions the pictures of some records, or takes a reference of each in turn, and measures the words. */
export async function alignCaptioner(
  captioner: Captioner,
  dataset: ScenesDataset,
  records: readonly number[],
  { captions: whose = "generated", regions = 4, onPicture, ...sampling }: AlignOptions = {},
): Promise<AlignedCaptions> {
  const { positions, tokenizer, decoder } = captioner;
  const model = new CaptionerWords(captioner);
  const reader = new CaptionReader(dataset.art.things);
  const images = imagesOf(dataset, records);
  const codes = await encodeImages(captioner, dataset, images);
  const captions =
    whose === "generated"
      ? (await captioner.captionCodes(codes, sampling)).map(({ text, tokens }) => ({
          text,
          tokens: Uint32Array.from(tokens),
        }))
      : records.map((record, i) => {
          const { captions: own } = dataset.records[record]!;
          const text = own[i % own.length]!;
          return { text, tokens: tokenizer.encodeFixed(text, decoder.shape.length) };
        });
  const questions = questionsOf(dataset, images);
  const looks: (CaptionLooks | null)[] = [];
  const pairs: PairLook[][] = [];
  for (const [i, { tokens }] of captions.entries()) {
    const own = codes.slice(i * positions, (i + 1) * positions);
    const picture = await measuredPicture(captioner, dataset, reader, {
      image: images[i]!,
      codes: own,
      tokens,
    });
    looks.push(await measureCaption(model, picture, { regions }));
    pairs.push(await tellApart(model, tokenizer, decoder.shape.length, own, questions[i]!.pairs));
    onPicture?.(i + 1);
  }
  return { captions: captions.map(({ text }) => text), looks, pairs };
}
