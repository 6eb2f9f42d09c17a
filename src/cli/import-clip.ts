/** `node dist/import.js clip`: a CLIP of OpenAI's or Hugging Face's becomes a folder of this project. */

import { checkVocabulary, saveClip } from "../models/clip/files.js";
import { importClip } from "../models/clip/import.js";
import type { ClipActivation, ClipShape } from "../models/clip/shape.js";
import { UserError } from "../platform/errors.js";
import { parseJsonRecord } from "../platform/json.js";
import { nodePlatform as platform } from "../platform/node.js";
import { lastName } from "../platform/path.js";
import type { ClipBpe } from "../text/clip/bpe.js";
import { readClipVocabulary } from "../text/clip/vocabulary.js";
import { openWeightFile } from "../weight-files/node.js";
import { loadTensors } from "../weight-files/weight-file.js";
import { openGpu } from "./options.js";
import { say, tell } from "./terminal.js";

/** Options of the command beside its input. */
export interface ImportClipOptions {
  out: string;
  /** Activation of the MLPs, where no configuration says it. */
  activation?: ClipActivation | undefined;
  /** File or folder of the vocabulary. */
  vocabulary?: string | undefined;
  adapter?: string | undefined;
  quiet?: boolean | undefined;
}

/** The files of weights in a folder of Hugging Face's, the preferred one first: several hold the same weights. */
const weightNames = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];

/** Imports a file, or a folder with `config.json` and weights, and says what it was. */
export async function importClipFiles(
  path: string,
  { out, activation, vocabulary, adapter, quiet }: ImportClipOptions,
): Promise<void> {
  const { files } = platform;
  const isFolder = await files.isDirectory(path);
  const folder = isFolder
    ? path.replace(/\/+$/, "")
    : path.slice(0, Math.max(0, path.lastIndexOf("/"))) || ".";
  let source = path;
  for (const name of isFolder ? [...weightNames].reverse() : [])
    if (await files.exists(`${folder}/${name}`)) source = `${folder}/${name}`;
  const configPath = `${folder}/config.json`;
  const file = await openWeightFile(source);
  try {
    const config = (await files.exists(configPath))
      ? { json: parseJsonRecord(await files.readText(configPath), configPath), name: configPath }
      : null;
    const tensors = await loadTensors(file);
    const gpu = await openGpu(adapter, quiet);
    const {
      shape,
      tensors: named,
      layout,
      parameters,
    } = await importClip(gpu, tensors, source, {
      // A file of OpenAI's may lie in any folder: only a CLIP's configuration is its own.
      config: config?.json.model_type === "clip" ? config : null,
      activation,
    });
    const bpe = await vocabularyOf(vocabulary, folder, shape);
    const about = { source: lastName(source), names: layout };
    const { bytes } = await saveClip(files, out.replace(/\/+$/, ""), { shape, tensors: named, bpe }, about);
    const { image, text, features } = shape;
    if (!quiet)
      say(
        [
          `CLIP with ${layout} names, ${(parameters / 1e6).toFixed(1)} million parameters, ${features} features`,
          `pictures: ${image.imageSize}×${image.imageSize} in patches of ${image.patchSize}, ${image.layers} layers, ${image.width} wide, ${image.heads} heads, ${image.activation}`,
          `texts: ${text.context} of ${text.vocabulary} tokens, ${text.layers} layers, ${text.width} wide, ${text.heads} heads, ${text.activation}`,
          bpe
            ? "vocabulary: CLIP's byte pairs"
            : "no vocabulary: texts are given as token ids (put tokenizer.json or bpe_simple_vocab_16e6.txt.gz beside it, or name it by --vocabulary)",
          `${out}: ${(bytes / 1e6).toFixed(1)} MB`,
        ].join("\n"),
      );
    gpu.dispose();
  } finally {
    await file.close();
  }
}

/** Files of vocabularies that may lie beside weights. */
const vocabularyNames = ["tokenizer.json", "merges.txt", "bpe_simple_vocab_16e6.txt.gz"];

/** The vocabulary that is named, else the one beside the weights; null if there is none of this CLIP. */
async function vocabularyOf(
  path: string | undefined,
  folder: string,
  shape: ClipShape,
): Promise<ClipBpe | null> {
  const { files } = platform;
  if (path !== undefined) {
    const bpe = await readClipVocabulary(path, files);
    checkVocabulary(bpe, shape, path);
    return bpe;
  }
  for (const name of vocabularyNames) {
    const file = `${folder}/${name}`;
    if (!(await files.exists(file))) continue;
    try {
      const bpe = await readClipVocabulary(file, files);
      checkVocabulary(bpe, shape, file);
      return bpe;
    } catch (error) {
      // It may be of another model: the weights are good without it.
      if (!(error instanceof UserError)) throw error;
      tell(`careful: ${error.message}`);
    }
  }
  return null;
}
