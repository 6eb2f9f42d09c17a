/** Targets: files of weights as PyTorch and safetensors write them, and pickles of plain data. */

import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { DEEPEST, readPickle } from "../../dist/io/pickle/pickle.js";
import type { PlainValue } from "../../dist/io/pickle/values.js";
import { crc32 } from "../../dist/platform/crc32.js";
import type { DiskFile } from "../../dist/platform/disk.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { openZip } from "../../dist/platform/node-zip.js";
import { dtypeBytes } from "../../dist/weight-files/dtypes.js";
import { openWeights } from "../../dist/weight-files/open.js";
import { treeLines } from "../../dist/weight-files/tree.js";
import type { Random } from "../programs/random.js";
import { type ZipFile, zipOf } from "../weight-files/build.js";
import { mutateBytes } from "./mutate.js";
import { holds, type Target } from "./target.js";

/** Opcodes of every kind: numbers, texts, marks, containers, the memo, calls, references. */
const OPCODES = Buffer.from(
  "(.012FGIJKLMNPQRSTUVXabcdeghijlopqrstu}])\x81\x85\x86\x87\x88\x89\x8a\x93\x94\x95",
  "latin1",
);

/** A file in memory, as if it were on disk. */
function memoryFile(bytes: Uint8Array): DiskFile {
  return {
    bytes: bytes.length,
    async read(target, position) {
      holds(position >= 0 && position + target.length <= bytes.length, "reads lie inside of the file");
      target.set(bytes.subarray(position, position + target.length));
    },
    close: async () => {},
  };
}

/** Opens a file and reads every tensor. Returns a line of text for each. */
async function contentOf(bytes: Uint8Array, name: string): Promise<string[]> {
  const file = await openWeights(name, {
    files: { ...nodePlatform.files, isDirectory: async () => false },
    disk: { open: async () => memoryFile(bytes) },
    openArchive: openZip,
    crc32,
  });
  const lines: string[] = [];
  let listed = 0;
  for (const [name, tensor] of file.tensors) {
    const { dtype, shape, size } = tensor;
    holds(name.length <= 100_000, "a name is no longer than the file");
    holds(tensor.bytes === size * dtypeBytes[dtype], `the bytes of "${name}" are those of its shape`);
    holds(tensor.bytes <= Math.max(bytes.length, 2 ** 20), `"${name}" is not larger than the file`);
    listed += tensor.bytes;
    if (listed > 2 ** 24) break; // many views of one storage
    const values = await tensor.readBytes();
    holds(values.length === tensor.bytes, `"${name}" has as many bytes as it says`);
    const numbers = await tensor.read();
    holds(numbers.length === (dtype === "C64" ? 2 : 1) * size, `"${name}" has as many values as its shape`);
    lines.push(`${JSON.stringify(name)} ${dtype} [${shape}] ${crc32(values)}`);
  }
  holds(treeLines(file.tensors.values()).length >= file.tensors.size, "every tensor is in the tree");
  await file.close();
  return lines;
}

const folder = new URL("../../test/weight-files/data/", import.meta.url);
const names = readdirSync(folder).filter((name) => !name.endsWith(".gz"));
const originals = new Map(names.map((name) => [name, new Uint8Array(readFileSync(new URL(name, folder)))]));
const untouched = new Map<string, string>();
const unpacked = new Map<string, ZipFile[]>();
for (const [name, bytes] of originals) {
  untouched.set(name, (await contentOf(bytes, name)).join("\n"));
  if (bytes[0] !== 0x50) continue;
  const parts: ZipFile[] = [];
  for (const entry of (await openZip(memoryFile(bytes), name)).values()) {
    const data = new Uint8Array(entry.bytes);
    await entry.read(data, 0);
    parts.push({ name: entry.name, data });
  }
  unpacked.set(name, parts);
}

/** A pickle with damage of its bytes, or with other opcodes. */
function damagedPickle(random: Random, pickle: Uint8Array): Uint8Array {
  if (random.chance(0.5)) return mutateBytes(random, pickle);
  const changed = pickle.slice();
  for (let n = random.whole(1, 6); n > 0; n--) {
    changed[random.whole(0, changed.length - 1)] = random.chance(0.7)
      ? random.of([...OPCODES])
      : random.whole(0, 255);
  }
  return changed;
}

/** An archive whose parts are damaged and whose directory and sums are right: damage gets past the checks. */
function repacked(random: Random, parts: readonly ZipFile[]): Uint8Array {
  const at = random.chance(0.8)
    ? parts.findIndex(({ name }) => name.endsWith("data.pkl"))
    : random.whole(0, parts.length - 1);
  const part = parts[at]!;
  const data = damagedPickle(random, part.data);
  const changed: ZipFile = random.chance(0.1)
    ? {
        ...part,
        [random.of(["crc", "size", "offset"] as const)]: random.of([
          0, 1, 0x7fffffff, 0xfffffffe, 0xffffffff,
        ]),
      }
    : { ...part, data };
  return new Uint8Array(zipOf(parts.with(at, changed)));
}

const weightFiles: Target = {
  name: "weight-files",
  prepare(random) {
    const name = random.of(names);
    const parts = unpacked.get(name);
    const bytes =
      parts && random.chance(0.6) ? repacked(random, parts) : mutateBytes(random, originals.get(name)!);
    return {
      size: bytes.length,
      read: async () =>
        (await contentOf(bytes, name)).join("\n") === untouched.get(name) ? "same" : "other",
    };
  },
};

const pickles = [0, 1, 2, 3, 4, 5].map((protocol) =>
  gunzipSync(
    readFileSync(new URL(`../../test/io/pickle-data/protocol${protocol}.pickle.gz`, import.meta.url)),
  ),
);

/** How deep a value is nested. */
function depthOf(value: PlainValue): number {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return 0;
  const parts = value instanceof Map ? [...value.keys(), ...value.values()] : [...value];
  return 1 + Math.max(0, ...parts.map(depthOf));
}

const plainPickles: Target = {
  name: "pickles",
  prepare(random) {
    const original = new Uint8Array(random.of(pickles));
    const bytes = damagedPickle(random, original);
    return {
      size: bytes.length,
      read() {
        const value = readPickle(bytes, "x.pickle");
        holds(depthOf(value) <= DEEPEST, `values are nested at most ${DEEPEST} deep`);
        return Buffer.compare(bytes, original) === 0 ? "same" : "other";
      },
    };
  },
};

export const weightFileTargets: readonly Target[] = [weightFiles, plainPickles];
