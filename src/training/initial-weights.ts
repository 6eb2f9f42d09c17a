/**
 * Starts a run from the weights of another captioner, such as one trained on other data: tensors by name where their shapes agree,
 * and entries of words by the words' text where the vocabularies differ.
 */

import type { Captioner } from "../captioner/captioner.js";
import { readFolder, type StoredCaptioner } from "../captioner/files.js";
import type { Parameter } from "../engine/nn/module.js";
import { float16ToFloat32 } from "../engine/tensor/float16.js";
import { decodeSafetensors, type StoredTensor } from "../engine/weights/safetensors.js";
import { loadWeights } from "../engine/weights/weights.js";
import { UserError } from "../platform/errors.js";
import { parseJsonRecord } from "../platform/json.js";
import type { Files, FolderFiles } from "../platform/platform.js";
import type { Tokenizer } from "../text/tokenizer.js";
import type { Stage } from "./trainer.js";

/** What a network took over. */
export interface Taken {
  /** One sentence for a log. */
  readonly told: string;
  /** Whether all of its weights are from the file. */
  readonly complete: boolean;
}

/** The weights that a run begins with. */
export interface InitialWeights {
  /** The folder of the captioner that they are from. */
  readonly folder: string;
  /** Whether the decoder begins at random: only the image tokenizer is taken. */
  readonly newDecoder: boolean;
}

/** Copies a captioner into the run, so that the run can start again without its folder; see `initialWeightsOf`. */
export async function keepInitialWeights(
  files: Files,
  run: string,
  { folder, newDecoder }: InitialWeights,
): Promise<void> {
  await readFolder(files, folder);
  await files.makeDirectory(`${run}/init`);
  await files.write(`${run}/init/parts.json`, `${JSON.stringify({ newDecoder })}\n`);
  for (const name of ["model.safetensors", "config.json"])
    await files.write(`${run}/init/${name}`, await files.read(`${folder}/${name}`));
}

/** What `keepInitialWeights` kept; null if the run began with random weights. */
export async function initialWeightsOf(files: Files, run: string): Promise<InitialWeights | null> {
  const folder = `${run}/init`;
  if (!(await files.exists(`${folder}/config.json`))) return null;
  // Runs of versions that always took both parts have no such file.
  const path = `${folder}/parts.json`;
  const { newDecoder } = (await files.exists(path)) ? parseJsonRecord(await files.readText(path), path) : {};
  return { folder, newDecoder: newDecoder === true };
}

/**
 * Gives the network of a stage, which has its random weights, what fits it of the captioner in `folder`. Throws a `UserError` if
 * nothing does.
 */
export async function takeWeights(
  captioner: Captioner,
  stage: Stage,
  files: FolderFiles,
  folder: string,
): Promise<Taken> {
  const stored = await readFolder(files, folder);
  const { tensors } = decodeSafetensors(stored.bytes, stored.name);
  const network = stage === "vqvae" ? captioner.imageTokenizer : captioner.decoder;
  const name = stage === "vqvae" ? "image tokenizer" : "decoder";
  const wordAxes = (stage === "decoder" && captioner.decoder.wordAxes) || {};
  const words = new SharedWords(stored, captioner.tokenizer);
  if (stage === "decoder" && !words.same && !captioner.decoder.wordAxes) {
    return {
      told: `${name}: nothing taken: the vocabulary there differs, and a ${captioner.config.model} decoder has no entries by word`,
      complete: false,
    };
  }
  const chosen = new Map<string, StoredTensor>();
  const parameters: Parameter[] = [];
  const left: string[] = [];
  const all = network.parameters();
  for (const parameter of all) {
    const found = tensors.get(`${stage}.${parameter.name}`);
    const axis = wordAxes[parameter.name];
    const fitting =
      found && axis !== undefined && !words.same
        ? byWord(parameter, found, axis, words, captioner.config.seed)
        : found;
    if (!fitting || fitting.shape.join() !== parameter.tensor.shape.join()) {
      left.push(`${parameter.name} (${found ? `there [${found.shape.join(", ")}]` : "not there"})`);
      continue;
    }
    chosen.set(`${stage}.${parameter.name}`, fitting);
    parameters.push(parameter);
  }
  if (parameters.length === 0)
    throw new UserError(
      `${folder} has nothing for this run's ${name}: no tensor of the same name and shape; choose the model and the sizes of those weights`,
    );
  loadWeights({ parameters: () => parameters }, chosen, stored.name, `${stage}.`);
  const ofWords = parameters.filter((parameter) => wordAxes[parameter.name] !== undefined);
  const shared =
    words.same || ofWords.length === 0
      ? ""
      : `; ${words.count} of ${captioner.tokenizer.vocabularySize} words known there, the others new`;
  const names = new Set(all.map((parameter) => `${stage}.${parameter.name}`));
  // Such a network computes something else without them, so this is worth a word.
  const unused = [...tensors.keys()]
    .filter((key) => key.startsWith(`${stage}.`) && !names.has(key))
    .map((key) => key.slice(stage.length + 1));
  const listed = (title: string, list: readonly string[]) =>
    list.length === 0 ? "" : `; ${title}: ${list.slice(0, 8).join(", ")}${list.length > 8 ? " …" : ""}`;
  const rest = listed("new", left) + listed("there, but not in this run's network", unused);
  return {
    told: `${name}: ${parameters.length} of ${all.length} tensors taken${shared}${rest}`,
    complete: left.length === 0,
  };
}

/** Where the words of a vocabulary are in a stored captioner's. */
class SharedWords {
  /** Whether both vocabularies are the same, in the same order. */
  readonly same: boolean;
  /** Number of words that both have. */
  readonly count: number;
  /** M of the stored captioner. */
  readonly before: number;
  /** For each id of the new vocabulary the stored one, or -1. */
  readonly from: readonly number[];

  constructor({ tokenizer: stored }: Pick<StoredCaptioner, "tokenizer">, tokenizer: Tokenizer) {
    this.before = stored.vocabularySize;
    const places = new Map(Array.from({ length: this.before }, (_, id) => [stored.word(id), id]));
    this.from = Array.from(
      { length: tokenizer.vocabularySize },
      (_, id) => places.get(tokenizer.word(id)) ?? -1,
    );
    this.count = this.from.filter((id) => id >= 0).length;
    this.same = this.before === this.from.length && this.from.every((id, i) => id === i);
  }
}

/** The random weights of a parameter with the entries of known words along `axis`; null if other axes differ. */
function byWord(
  { name, tensor, initialiser }: Parameter,
  stored: StoredTensor,
  axis: number,
  { before, from }: SharedWords,
  seed: number,
): StoredTensor | null {
  const { shape } = tensor;
  const beyond = shape[axis]! - from.length;
  const expected = shape.map((length, i) => (i === axis ? before + beyond : length));
  if (stored.shape.join() !== expected.join() || stored.data instanceof BigInt64Array) return null;
  const source =
    stored.data instanceof Uint16Array ? float16ToFloat32(stored.data) : (stored.data as Float32Array);
  const data = initialiser(shape, seed, name);
  const inner = shape.slice(axis + 1).reduce((product, length) => product * length, 1);
  const outer = shape.slice(0, axis).reduce((product, length) => product * length, 1);
  const copy = (to: number, entry: number) => {
    for (let o = 0; o < outer; o++) {
      const start = (o * (before + beyond) + entry) * inner;
      data.set(source.subarray(start, start + inner), (o * shape[axis]! + to) * inner);
    }
  };
  from.forEach((entry, id) => {
    if (entry >= 0) copy(id, entry);
  });
  // Entries that no word has, such as [MASK], stay behind the words.
  for (let i = 0; i < beyond; i++) copy(from.length + i, before + i);
  return { dtype: "F32", shape, data };
}
