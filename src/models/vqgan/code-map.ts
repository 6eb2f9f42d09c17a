/**
 * Maps from the codes of a codebook to the ids of those in use, as VQ-Diffusion has them: codes in use have ids 1 … n in their
 * order, all others id 0.
 */

import type { StoredTensor } from "../../engine/weights/safetensors.js";
import { UserError } from "../../platform/errors.js";

/** The id of each code, [N]. */
export type CodeMap = readonly number[];

/** The map to the codes that occur, of `codes` codes. */
export function codeMapOf(occurring: Iterable<number>, codes: number): CodeMap {
  const used = new Set(occurring);
  let ids = 0;
  return Array.from({ length: codes }, (_, code) => (used.has(code) ? ++ids : 0));
}

/** K: the number of ids. */
export function idCount(map: CodeMap): number {
  return 1 + map.reduce((most, id) => Math.max(most, id), 0);
}

/** The code of each id, [K]: the first with that id, or code 0 for an id 0 that no code has. */
export function codesOfIds(map: CodeMap): number[] {
  const codes = new Array<number>(idCount(map)).fill(-1);
  for (const [code, id] of map.entries()) if (codes[id] === -1) codes[id] = code;
  return codes.map((code) => Math.max(code, 0));
}

/**
 * Checks a map from a file, whose name is for messages. Throws a `UserError` if it is not one of `codes` codes to ids 1 … n, each
 * in use.
 */
export function checkCodeMap(values: ArrayLike<number | bigint>, codes: number, fileName: string): CodeMap {
  const fail = (what: string): never => {
    throw new UserError(`${fileName} is not a map of codes to ids: ${what}`);
  };
  if (values.length !== codes) fail(`it has ${values.length} entries, and the codebook ${codes} codes`);
  const map = Array.from(values as ArrayLike<number>, Number);
  for (const [code, id] of map.entries())
    if (!Number.isInteger(id) || id < 0 || id >= codes + 1)
      fail(`the id of code ${code} is ${id}, not a whole number from 0 to ${codes}`);
  const used = new Set(map);
  for (let id = 1; id < idCount(map); id++) if (!used.has(id)) fail(`no code has id ${id}`);
  if (idCount(map) === 1) fail("all codes have id 0");
  return map;
}

/** The parameters that a map adds to those of a VQGAN without one, given its codebook [N, D]. */
export function mapTensors(map: CodeMap, codebook: StoredTensor): Map<string, StoredTensor> {
  const width = codebook.shape[1]!;
  const codes = codesOfIds(map);
  const vectors = new Float32Array(codes.length * width);
  for (const [id, code] of codes.entries())
    vectors.set((codebook.data as Float32Array).subarray(code * width, (code + 1) * width), id * width);
  return new Map([
    ["quantize.codebook.ids", { dtype: "F32", shape: [map.length], data: Float32Array.from(map) }],
    ["quantize.codebook.vectors", { dtype: "F32", shape: [codes.length, width], data: vectors }],
  ]);
}
