/** Maps of codes to ids from files: VQ-Diffusion's statistics (torch.save of one tensor of integers), or JSON. Node only. */

import { type CodeMap, checkCodeMap } from "../models/vqgan/code-map.js";
import { UserError } from "../platform/errors.js";
import { isRecord, parseJson } from "../platform/json.js";
import { nodePlatform as platform } from "../platform/node.js";
import { shown } from "../platform/shown.js";
import { openWeightFile } from "../weight-files/node.js";

/** Reads the map of `codes` codes in a file. Throws a `UserError` that names the file if it holds none. */
export async function readCodeMap(path: string, codes: number): Promise<CodeMap> {
  return checkCodeMap(/\.json$/i.test(path) ? await fromJson(path) : await fromTensor(path), codes, path);
}

async function fromJson(path: string): Promise<number[]> {
  let value: unknown;
  try {
    value = parseJson(await platform.files.readText(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UserError(`${path} is not valid JSON: ${shown(error.message)}`);
  }
  const list = isRecord(value) ? value.fullToId : value;
  if (!Array.isArray(list) || list.some((id) => typeof id !== "number"))
    throw new UserError(`${path} should hold a list of ids, one for each code, or {"fullToId": […]}`);
  return list as number[];
}

async function fromTensor(path: string): Promise<ArrayLike<number | bigint>> {
  const file = await openWeightFile(path);
  try {
    const [tensor, ...others] = file.tensors.values();
    if (tensor === undefined || others.length > 0)
      throw new UserError(
        `${path} should hold one tensor, the id of each code, and holds ${file.tensors.size}`,
      );
    if (!/^[IU]\d+$/.test(tensor.dtype) || tensor.shape.length !== 1)
      throw new UserError(
        `${path} should hold one list of whole numbers, the id of each code, and holds ${tensor.dtype} [${tensor.shape.join(", ")}]`,
      );
    return (await tensor.read()) as ArrayLike<number | bigint>;
  } finally {
    await file.close();
  }
}
