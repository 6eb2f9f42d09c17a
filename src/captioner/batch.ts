/** Encodes, reconstructs and captions many pictures, in batches that bound the memory but not the number of pictures. */

import { noGrad } from "../engine/tensor/tape.js";
import { fromArray, type Tensor } from "../engine/tensor/tensor.js";
import { consensus } from "../metrics/consensus.js";
import { type SamplingSettings, samplingSettingsOf } from "../models/sampling-settings.js";
import { UserError } from "../platform/errors.js";
import { checkFinished } from "../text/unfinished-caption.js";
import type { CaptionModel } from "./model.js";
import { type BatchOptions, bannedTokens, type Caption, givenWords } from "./options.js";

/** Pictures read, encoded and captioned at once, unless a network takes fewer. */
export const imagesPerBatch = 64;

/** What the seeds of consecutive pictures' batches, and of a picture's candidates, are apart. */
export const seedsApart = 0x1_0000_0000;

/** Pictures captioned at once. */
export function captionedAtOnce({ decoder }: Pick<CaptionModel, "decoder">): number {
  return decoder.picturesAtOnce ?? imagesPerBatch;
}

/** Codes of pictures given as bytes [n, size, size, 3]: ids [n · S], row by row of each grid. */
export async function encodeAll(
  model: CaptionModel,
  images: Uint8Array,
  onProgress?: (done: number, total: number) => void,
): Promise<Uint32Array> {
  const batches = batchesOf(model, images, model.imageTokenizer.picturesAtOnce);
  const count = batches.reduce((sum, { size }) => sum + size, 0);
  const codes = new Uint32Array(count * model.positions);
  for (const { first, size, batch } of batches) {
    const encode = async () => {
      const ids = codesOf(model, batch);
      return ids.read().finally(() => ids.dispose());
    };
    const ids = await (model.codeStore ? model.codeStore.codes(batch, encode) : encode());
    codes.set(ids, first * model.positions);
    onProgress?.(first + size, count);
  }
  return codes;
}

/** Ids [n, S], on the GPU, of pictures given as bytes [n, size, size, 3]. The caller disposes of them. */
function codesOf(model: CaptionModel, images: Uint8Array): Tensor<"u32"> {
  return model.gpu.scope(() => noGrad(() => model.imageTokenizer.encode(model.imageTensor(images))));
}

/** Batches of pictures given as bytes [n, size, size, 3]: index of the first picture, number of pictures, and their bytes. */
function batchesOf(
  model: CaptionModel,
  images: Uint8Array,
  each = imagesPerBatch,
): { first: number; size: number; batch: Uint8Array }[] {
  const { imageSize } = model.config.data;
  const bytes = imageSize * imageSize * 3;
  const count = images.length / bytes;
  if (!Number.isInteger(count)) {
    throw new UserError(
      `the model takes ${imageSize}×${imageSize} RGB pictures of ${bytes} bytes, not ${images.length} bytes`,
    );
  }
  return Array.from({ length: Math.ceil(count / each) }, (_, i) => {
    const first = i * each;
    const size = Math.min(each, count - first);
    return { first, size, batch: images.subarray(first * bytes, (first + size) * bytes) };
  });
}

/** Reconstructs pictures, bytes [n, size, size, 3], from ids [n · S]. */
export async function reconstructAll(model: CaptionModel, codes: Uint32Array): Promise<Uint8Array> {
  const { imageSize: size } = model.config.data;
  const { positions } = model;
  const images = new Uint8Array((codes.length / positions) * size * size * 3);
  const each = (model.imageTokenizer.picturesAtOnce ?? imagesPerBatch) * positions;
  for (let first = 0; first < codes.length; first += each) {
    const part = codes.subarray(first, first + each);
    const decoded = model.gpu.scope(() =>
      noGrad(() =>
        model.imageTokenizer.decode(
          fromArray(model.gpu, part, [part.length / positions, positions], "u32", "codes"),
        ),
      ),
    );
    const values = await decoded.read();
    decoded.dispose();
    images.set(bytesOf(values), (first / positions) * size * size * 3);
  }
  return images;
}

/** Captions pictures given as bytes [n, size, size, 3]. Their codes stay on the GPU. */
export async function captionAll(
  model: CaptionModel,
  images: Uint8Array,
  options: BatchOptions = {},
): Promise<Caption[]> {
  if (model.codeStore) return captionCodes(model, await encodeAll(model, images), options);
  const captions: Caption[] = [];
  for (const { first, batch } of batchesOf(model, images, captionedAtOnce(model)))
    await addCaptions(captions, model, codesOf(model, batch).keep(), options, first);
  return captions;
}

/** Captions pictures given as their codes [n · S]. */
export async function captionCodes(
  model: CaptionModel,
  codes: Uint32Array,
  options: BatchOptions = {},
): Promise<Caption[]> {
  const { positions } = model;
  const captions: Caption[] = [];
  const each = captionedAtOnce(model) * positions;
  for (let first = 0; first < codes.length; first += each) {
    const part = codes.subarray(first, first + each);
    const condition = fromArray(model.gpu, part, [part.length / positions, positions], "u32", "codes").keep();
    await addCaptions(captions, model, condition, options, first / positions);
  }
  return captions;
}

/** Appends the captions of a batch's codes [n, S] and disposes of the codes. */
async function addCaptions(
  captions: Caption[],
  model: CaptionModel,
  codes: Tensor<"u32">,
  options: BatchOptions,
  first: number,
): Promise<void> {
  try {
    captions.push(...(await captionBatch(model, codes, options, first)));
  } finally {
    codes.dispose();
  }
  options.onBatch?.(captions.length);
}

/** Captions of codes [n, S]; `first` is the index of their first picture. Of several candidates the consensus is taken. */
async function captionBatch(
  model: CaptionModel,
  condition: Tensor<"u32">,
  options: BatchOptions,
  first: number,
): Promise<Caption[]> {
  const settings = samplingSettingsOf(model.config, options);
  const { seed } = settings;
  const candidates = model.decoder.dependsOnSeed?.(settings) === false ? 1 : settings.candidates;
  const drawn: Caption[][] = [];
  // Batches of one call draw different numbers, and so do candidates: fewer of them than there are pictures in a batch.
  for (let candidate = 0; candidate < candidates; candidate++) {
    const own = { ...settings, seed: seed + (first + candidate) * seedsApart };
    drawn.push(await drawCaptions(model, condition, own, options, first));
  }
  return drawn[0]!.map((caption, i) => {
    if (candidates === 1) return caption;
    const all = drawn.map((captions) => captions[i]!);
    return all[consensus(all.map(({ text }) => text))]!;
  });
}

/** A caption of each picture. */
async function drawCaptions(
  model: CaptionModel,
  condition: Tensor<"u32">,
  settings: SamplingSettings,
  options: BatchOptions,
  first: number,
): Promise<Caption[]> {
  const { tokenizer, decoder } = model;
  const { length } = decoder.shape;
  const batch = condition.shape[0]!;
  const steps = decoder.generate(condition, settings, {
    endId: tokenizer.endId,
    banned: bannedTokens(model, settings.allowUnknown),
    words: givenWords(model, options.words),
    ...(options.watch ? { watch: options.watch } : {}),
  });
  let last: Tensor<"u32"> | null = null;
  for (const { u, tokens } of steps) {
    if (options.onStep) options.onStep({ t: u, tokens: (await tokens.read()).slice(0, batch * length) });
    // The last tokens outlive the chain.
    if (u === 0) last = tokens.alias();
  }
  const ids = await last!.read();
  last!.dispose();
  checkFinished(ids, length, tokenizer.vocabularySize, first);
  return Array.from({ length: batch }, (_, i) => {
    const tokens = Array.from(ids.subarray(i * length, (i + 1) * length));
    return { text: tokenizer.decode(tokens), tokens };
  });
}

/** Converts values of about [-1, 1] to bytes. */
export function bytesOf(values: Float32Array): Uint8Array {
  return Uint8Array.from(values, (value) => Math.max(0, Math.min(255, Math.round((value + 1) * 127.5))));
}
