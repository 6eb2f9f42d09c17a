/** `node dist/import.js vqgan`: a VQGAN's checkpoint becomes a folder of this project. Node only. */

import { dirname, join } from "node:path";
import { float16ToFloat32 } from "../engine/tensor/float16.js";
import type { StoredTensor } from "../engine/weights/safetensors.js";
import { loadWeights } from "../engine/weights/weights.js";
import { writeTokenizerFolder } from "../models/tokenizer-folder.js";
import { mapCheckpoint, shapeFromWeights, tensorsOfVqgan } from "../models/vqgan/checkpoint.js";
import { idCount, mapTensors } from "../models/vqgan/code-map.js";
import { compareConfig, findConfig, type VqganConfigFile } from "../models/vqgan/config-file.js";
import { settingsOfShape } from "../models/vqgan/settings.js";
import { halvingsOf, type VqganShape } from "../models/vqgan/shape.js";
import { Vqgan } from "../models/vqgan/vqgan.js";
import { UserError } from "../platform/errors.js";
import type { JsonRecord } from "../platform/json.js";
import { fileHash, packageVersion, nodePlatform as platform } from "../platform/node.js";
import { lastName } from "../platform/path.js";
import { parseYamlRecord } from "../platform/yaml.js";
import { openWeightFile } from "../weight-files/node.js";
import { loadTensors } from "../weight-files/weight-file.js";
import { readCodeMap } from "./code-map-file.js";
import { openGpu } from "./options.js";
import { say, tell } from "./terminal.js";

/** Options of the command beside its file. */
export interface ImportVqganOptions {
  out: string;
  /** A YAML file; default: the one beside the checkpoint, if there is one. */
  config?: string | undefined;
  /** A map of codes to the ids of those in use. */
  codesFrom?: string | undefined;
  adapter?: string | undefined;
  quiet?: boolean | undefined;
}

const { files } = platform;

/** Imports a checkpoint and says what it was. */
export async function importVqgan(path: string, options: ImportVqganOptions): Promise<void> {
  const out = options.out.replace(/[/\\]+$/, "");
  const { tensors, shape: read } = await readCheckpoint(path);
  const config = await readConfig(path, options.config);
  if (config) {
    const names = { config: config.path, weights: path };
    for (const sentence of compareConfig(config, read, names)) tell(`careful: ${sentence}`);
  }
  const map = options.codesFrom === undefined ? null : await readCodeMap(options.codesFrom, read.codes);
  const gpu = await openGpu(options.adapter, true);
  try {
    const vqgan = new Vqgan(gpu, read, 2 ** halvingsOf(read));
    const mapped = mapCheckpoint(tensors, vqgan, path);
    loadWeights(vqgan, mapped, path);
    const own = new Map<string, StoredTensor>();
    for (const { name } of vqgan.parameters()) own.set(name, float32(mapped.get(name)!));
    if (map)
      for (const [name, tensor] of mapTensors(map, own.get("quantize.codebook")!)) own.set(name, tensor);
    const shape: VqganShape = { ...read, ids: map ? idCount(map) : 0 };
    const { weights } = await writeTokenizerFolder(
      files,
      { folder: out, kind: "vqgan", settings: settingsOfShape(shape), imageSize: config?.resolution ?? null },
      own,
      await provenance(path, config?.path, options.codesFrom),
    );
    if (!options.quiet) say(description(shape, vqgan.parameterCount, out, weights.bytes));
  } finally {
    gpu.dispose();
  }
}

/** The tensors of a VQGAN in a checkpoint, and its sizes. Nothing else of the file is read. */
async function readCheckpoint(
  path: string,
): Promise<{ tensors: Map<string, StoredTensor>; shape: VqganShape }> {
  const file = await openWeightFile(path);
  try {
    const shape = shapeFromWeights(file.tensors, path);
    const wanted = [...tensorsOfVqgan(file.tensors).values()].map(({ name }) => name);
    return { tensors: await loadTensors(file, wanted), shape };
  } finally {
    await file.close();
  }
}

/** The configuration that --config names, or that lies beside the checkpoint; null if there is none. */
async function readConfig(
  checkpoint: string,
  given: string | undefined,
): Promise<(VqganConfigFile & { path: string }) | null> {
  const path = given ?? (await configBeside(checkpoint));
  if (path === null) return null;
  const found = findConfig(parseYamlRecord(await files.readText(path), path));
  if (found) return { ...found, path };
  if (given === undefined) return null;
  throw new UserError(`${path} describes no VQGAN: there is no ddconfig, at the top or below model.params`);
}

/**
 * The YAML file that belongs to a checkpoint: of its name, else config.yaml or model.yaml, else the only one in its folder, else
 * that of the training's folder `../configs`.
 */
async function configBeside(checkpoint: string): Promise<string | null> {
  const folder = dirname(checkpoint);
  const stem = lastName(checkpoint).replace(/\.[^.]*$/, "");
  for (const place of [folder, join(folder, "..", "configs")]) {
    if (!(await files.isDirectory(place))) continue;
    const names = (await files.list(place)).filter((name) => /\.ya?ml$/i.test(name));
    const preferred = [stem, "config", "model"].flatMap((name) => [`${name}.yaml`, `${name}.yml`]);
    const found =
      preferred.find((name) => names.includes(name)) ??
      (names.length === 1 ? names[0] : names.filter((name) => name.endsWith("-project.yaml")).at(-1));
    if (found) return join(place, found);
    if (names.length > 0)
      tell(`careful: none of ${names.join(", ")} is read: name the right one with --config`);
  }
  return null;
}

async function provenance(path: string, config?: string, codesFrom?: string): Promise<JsonRecord> {
  const described = async (file: string) => ({ file: lastName(file), sha256: await fileHash(file) });
  return {
    checkpoint: await described(path),
    ...(config === undefined ? {} : { config: await described(config) }),
    ...(codesFrom === undefined ? {} : { codesFrom: await described(codesFrom) }),
    importedBy: `mc-diffusion ${await packageVersion()}`,
  };
}

/** Weights as float32: what all devices compute with. */
function float32(tensor: StoredTensor): StoredTensor {
  if (tensor.dtype === "F32") return tensor;
  const { shape, data } = tensor;
  const values =
    data instanceof Uint16Array ? float16ToFloat32(data) : Float32Array.from(data as Float32Array);
  return { dtype: "F32", shape, data: values };
}

function description(shape: VqganShape, parameters: number, out: string, bytes: number): string {
  const { channels, multipliers, resBlocks, attention, embedDim, codes, quantizer, ids } = shape;
  const factor = 2 ** halvingsOf(shape);
  const kind = quantizer === "gumbel" ? "Gumbel quantizer" : "nearest-neighbour codes";
  const levels = attention.length === 0 ? "" : `, attention at level ${attention.join(", ")}`;
  return [
    `VQGAN with ${kind}, ${(parameters / 1e6).toFixed(1)} million parameters, a code for ${factor}×${factor} pixels`,
    `channels ${multipliers.map((factor) => factor * channels).join(", ")}; ${resBlocks} blocks a level${levels}`,
    `${codes} codes of ${embedDim} numbers${ids > 0 ? `, ${ids - 1} of them in use: ids 1 to ${ids - 1}, all others id 0` : ""}`,
    `${out}: ${(bytes / 1e6).toFixed(1)} MB`,
  ].join("\n");
}
