/** Targets: weights, settings, vocabularies, runs, lists of captions. */

import type { Config } from "../../dist/config/config.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { parseCaptions } from "../../dist/data/caption-rows.js";
import {
  decodeSafetensors,
  encodeSafetensors,
  type StoredTensor,
} from "../../dist/engine/weights/safetensors.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { parseJsonRecord } from "../../dist/platform/json.js";
import { decodeText } from "../../dist/platform/text.js";
import { renderReport } from "../../dist/report/report.js";
import { WordTokenizer, words } from "../../dist/text/words.js";
import { latestCheckpoint, saveCheckpoint } from "../../dist/training/checkpoint.js";
import { MemoryFiles } from "../io/memory-files.js";
import type { Random } from "../programs/random.js";
import { encodeText, mutateBytes, mutateJson } from "./mutate.js";
import { holds, type Target } from "./target.js";

const equal = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
const bytesOf = ({ data }: StoredTensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

// ------------------------------------------------------------------ safetensors

const tensors: ReadonlyMap<string, StoredTensor> = new Map<string, StoredTensor>([
  ["a.weight", { dtype: "F32", shape: [3, 4], data: Float32Array.from({ length: 12 }, (_, i) => i / 7) }],
  ["half", { dtype: "F16", shape: [5], data: new Uint16Array([0, 1, 0x3c00, 0x7bff, 0x8000]) }],
  ["ids", { dtype: "U32", shape: [2, 1, 2], data: new Uint32Array([1, 2, 3, 4]) }],
  ["big", { dtype: "I64", shape: [2], data: new BigInt64Array([-1n, 2n ** 40n]) }],
  ["none", { dtype: "I32", shape: [0], data: new Int32Array() }],
  ["bytes", { dtype: "U8", shape: [3], data: new Uint8Array([1, 2, 3]) }],
]);
const weights = encodeSafetensors(tensors, { format: "x", note: "ü" });
const weightsHeader = JSON.parse(
  Buffer.from(weights.subarray(8, 8 + Number(new DataView(weights.buffer).getBigUint64(0, true)))).toString(),
) as Record<string, unknown>;
const weightsData = weights.subarray(8 + Number(new DataView(weights.buffer).getBigUint64(0, true)));

/** A header that says something else, with its right length: as of a file that was made to mislead. */
function misleadingWeights(random: Random): Uint8Array {
  const text = Buffer.from(mutateJson(random, weightsHeader));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return new Uint8Array(Buffer.concat([length, text, weightsData]));
}

const safetensors: Target = {
  name: "safetensors",
  prepare(random) {
    const bytes = random.chance(0.5) ? misleadingWeights(random) : mutateBytes(random, weights);
    return {
      size: bytes.length,
      read() {
        const read = decodeSafetensors(bytes, "x.safetensors");
        let total = 0;
        for (const [name, tensor] of read.tensors) {
          const elements = tensor.shape.reduce((product, size) => product * size, 1);
          holds(elements === tensor.data.length, `"${name}" has as many elements as its shape`);
          total += (tensor.dtype === "BF16" ? 2 : tensor.data.BYTES_PER_ELEMENT) * elements;
        }
        holds(total <= bytes.length, "tensors are not longer than the file");
        if ([...read.tensors.values()].some(({ dtype }) => dtype === "BF16")) return "other";
        const again = decodeSafetensors(encodeSafetensors(read.tensors, read.metadata), "again");
        for (const [name, tensor] of read.tensors)
          holds(bytesOf(tensor).equals(bytesOf(again.tensors.get(name)!)), `"${name}" survives writing`);
        const same = [...tensors].every(([name, tensor]) => {
          const now = read.tensors.get(name);
          return (
            now?.dtype === tensor.dtype &&
            equal(now.shape, tensor.shape) &&
            bytesOf(now).equals(bytesOf(tensor))
          );
        });
        return same && read.tensors.size === tensors.size ? "same" : "other";
      },
    };
  },
};

// ------------------------------------------------------------------ settings and vocabularies

/** A JSON text: its values changed, or its bytes. */
function damagedJson(random: Random, value: unknown): Uint8Array {
  if (random.chance(0.6)) return encodeText(random, mutateJson(random, value));
  const text = random.chance(0.5) ? JSON.stringify(value) : JSON.stringify(value, null, 2);
  return mutateBytes(random, encodeText(random, text));
}

const settings = resolveConfig({ preset: "quick" });

/** All values of a record by their paths, in the last of equal keys as JSON.parse takes it. */
function leaves(value: unknown, path = ""): [string, unknown][] {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, item]) => leaves(item, path === "" ? key : `${path}.${key}`))
    : [[path, value]];
}

function checkConfig(config: Config, text: string): void {
  const given = leaves(JSON.parse(text));
  const all = new Map(leaves(config));
  for (const [path, value] of given) {
    if (path !== "") holds(Object.is(all.get(path), value), `${path} is what the file says`);
  }
  holds(
    equal(resolveConfig({ file: { name: "again", text: JSON.stringify(config) } }), config),
    "it can be read again",
  );
}

const config: Target = {
  name: "config",
  prepare(random) {
    const bytes = damagedJson(random, settings);
    return {
      size: bytes.length,
      read() {
        const text = decodeText(bytes, "config.json");
        const read = resolveConfig({ file: { name: "config.json", text } });
        checkConfig(read, text);
        return equal(read, settings) ? "same" : "other";
      },
    };
  },
};

const vocabulary = WordTokenizer.build([
  "a man's medium-light hat",
  "ein roter Fuß",
  "日本 と 中国",
  "ΜΑΪ́ΟΥ 3 cats",
]);

const vocabularies: Target = {
  name: "vocabulary",
  prepare(random) {
    const bytes = damagedJson(random, vocabulary.toJSON());
    return {
      size: bytes.length,
      read() {
        const record = parseJsonRecord(decodeText(bytes, "vocabulary.json"), "vocabulary.json");
        const read = WordTokenizer.fromJSON(record, "vocabulary.json");
        const list = read.toJSON().words;
        holds(equal(list, record.words), "it has the words of the file, in their order");
        for (const [i, word] of list.entries()) {
          holds(equal(read.encode(word), [i + 2]), `"${word}" is one token, its own`);
          holds(equal(words(read.decode([i + 2])), [word]), `"${word}" is told as it is written`);
        }
        return equal(list, vocabulary.toJSON().words) ? "same" : "other";
      },
    };
  },
};

// ------------------------------------------------------------------ runs

const stage = "decoder";
const entryOf = (step: number) => ({
  stage,
  step,
  losses: { total: 1 / step, kl: 0.5 },
  learningRate: 1e-3,
  gradNorm: 1,
  ms: 12,
  perSecond: 40,
  unit: "tokens" as const,
  bytes: 1000,
  ...(step % 2 === 0 ? { metrics: { bleu4: 0.1 } } : {}),
});
const stateOf = (step: number) => ({ seed: 7, entry: entryOf(step) });
const modelOf = (step: number): Map<string, StoredTensor> =>
  new Map([["w", { dtype: "F32", shape: [3], data: new Float32Array([step, -step, 0.5]) }]]);

async function wholeRun(): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  const run = await RunFolder.create(files, "run", JSON.parse(JSON.stringify(settings)));
  await run.appendLog([1, 2, 3, 4].map(entryOf));
  for (const step of [2, 4]) {
    await saveCheckpoint(
      files,
      run.checkpointFolder(stage),
      { step, model: modelOf(step), optimizer: modelOf(10 * step), state: stateOf(step) },
      2,
    );
  }
  return files;
}
const run = await wholeRun();
const runFiles = [...run.contents.keys()];

function damageRun(random: Random, files: MemoryFiles): void {
  const path = random.of(runFiles);
  const bytes = files.contents.get(path);
  if (bytes === undefined) return;
  const others = () => files.contents.get(random.of(runFiles)) ?? new Uint8Array();
  const kind = random.whole(0, 9);
  if (kind === 0) files.contents.delete(path);
  else if (kind === 1) files.contents.set(path, others());
  else if (kind === 2) files.contents.set(path.replace("step-000004", "step-000099"), bytes);
  else if (kind < 6 && path.endsWith(".json"))
    files.contents.set(
      path,
      new Uint8Array(Buffer.from(mutateJson(random, JSON.parse(Buffer.from(bytes).toString())))),
    );
  else if (kind < 6 && path.endsWith(".jsonl")) {
    const lines = Buffer.from(bytes).toString().trim().split("\n");
    const at = random.whole(0, lines.length - 1);
    files.contents.set(
      path,
      Buffer.from(`${lines.with(at, mutateJson(random, JSON.parse(lines[at]!))).join("\n")}\n`),
    );
  } else files.contents.set(path, mutateBytes(random, bytes));
}

/** Whether `state.json` of a checkpoint carries its own checksum: without one it is taken for one of an older version. */
function isSummed(files: MemoryFiles, path: string): boolean {
  return JSON.parse(Buffer.from(files.contents.get(`${path}/state.json`)!).toString()).crc32 !== undefined;
}

const runs: Target = {
  name: "run folders",
  async prepare(random) {
    const files = new MemoryFiles();
    for (const [path, bytes] of run.contents) files.contents.set(path, bytes.slice());
    for (let n = random.whole(1, 2); n > 0; n--) {
      try {
        damageRun(random, files);
      } catch {
        // The first damage left no JSON for the second.
      }
    }
    const size = [...files.contents.values()].reduce((sum, bytes) => sum + bytes.length, 0);
    return {
      size,
      async read() {
        const opened = await RunFolder.open(files, "run");
        const text = JSON.stringify(opened.config);
        checkConfig(resolveConfig({ file: { name: "run/config.json", text } }), text);
        const { checkpoint, path, warnings } = await latestCheckpoint(files, opened.checkpointFolder(stage));
        for (const warning of warnings) holds(warning.length < 3000, "a warning is short");
        if (checkpoint !== null) {
          const { step } = checkpoint;
          holds(step === 2 || step === 4, "a checkpoint is one that was written");
          for (const [part, factor] of [
            ["model", 1],
            ["optimizer", 10],
          ] as const) {
            const [tensor, expected] = [checkpoint[part].get("w")!, modelOf(step * factor).get("w")!];
            holds(bytesOf(tensor).equals(bytesOf(expected)), `the ${part} is that of its step`);
          }
          if (isSummed(files, path!))
            holds(equal(checkpoint.state, stateOf(step)), "the state is that of its step");
        }
        await opened.truncateLog(stage, checkpoint?.step ?? 0);
        const log = await opened.readLog();
        holds(
          log.every((entry) => entry.stage !== stage || entry.step <= (checkpoint?.step ?? 0)),
          "the log does not go on behind the checkpoint",
        );
        const codec = { encodePng: async () => new Uint8Array() };
        const html = await renderReport(codec, { title: "run", adapter: "none", config: opened.config, log });
        holds(html.endsWith("</html>\n") || html.trimEnd().endsWith("</html>"), "the report is whole");
        const same =
          checkpoint?.step === 4 && equal(log, [1, 2, 3, 4].map(entryOf)) && equal(opened.config, settings);
        return same ? "same" : "other";
      },
    };
  },
};

// ------------------------------------------------------------------ captions

const rows = [
  ["a.png", "a red hat", "train"],
  ["b/c.jpg", 'two "men", one dog', "validation"],
  ["ü.webp", "日本のねこ", ""],
  ["a.png", "a hat that is red", "train"],
  ["d.jpeg", "Grüße\taus Köln", "test"],
] as const;
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
const CAPTIONS: Readonly<Record<string, string>> = {
  "captions.jsonl": rows
    .map(([file, caption, split]) => JSON.stringify({ file, caption, ...(split ? { split } : {}) }))
    .join("\n"),
  "captions.csv": ["file,caption,split", ...rows.map((row) => row.map(quoted).join(","))].join("\n"),
  "captions.txt": rows.map(([file, caption]) => `${file}\t${caption.replaceAll("\t", " ")}`).join("\n"),
};

function damagedCaptions(random: Random, name: string): Uint8Array {
  const lines = CAPTIONS[name]!.split("\n");
  const at = random.whole(0, lines.length - 1);
  const line = lines[at]!;
  const changed = [
    () => (name === "captions.jsonl" ? mutateJson(random, JSON.parse(line)) : line.replace(/"/, "")),
    () =>
      line.replace(
        random.of([",", "\t", '"', ".", "a"]),
        random.of(["", '"', "\n", "\t", ",,", "\0", "\u2028", "../"]),
      ),
    () => `${line}${line}`,
    () =>
      random.of([
        "",
        " ",
        ",",
        '"',
        "\t",
        "{}",
        "[]",
        "null",
        "x".repeat(300_000),
        "\u001b[31m.png\tred",
        "/etc/passwd.png\tx",
      ]),
    () => line.repeat(2000),
  ];
  const text = random.chance(0.3)
    ? lines.join("\n")
    : lines.with(at, random.of(changed)()).join(random.of(["\n", "\r\n", "\r", "\n\n"]));
  const bytes = encodeText(random, text);
  return random.chance(0.4) ? mutateBytes(random, bytes) : bytes;
}

const untouched = new Map(
  Object.entries(CAPTIONS).map(([name, text]) => [name, parseCaptions(name, text).rows]),
);

const captions: Target = {
  name: "captions",
  prepare(random) {
    const name = random.of(Object.keys(CAPTIONS));
    const bytes = damagedCaptions(random, name);
    return {
      size: bytes.length,
      read() {
        const text = decodeText(bytes, name);
        const read = parseCaptions(name, text);
        for (const { file, captions: list, split } of read.rows) {
          holds(/\.(png|jpe?g|webp)$/i.test(file), "a row names a picture");
          holds(
            !file.startsWith("/") && !/(^|[/\\])\.\.([/\\]|$)/.test(file),
            "a picture lies in the folder",
          );
          holds(
            list.length > 0 && list.every((caption) => /[\p{L}\p{N}]/u.test(caption)),
            "a caption says something",
          );
          holds([undefined, "train", "validation", "test"].includes(split), "a split is one of three");
        }
        const lines = text.split(/\r\n|\n|\r/);
        for (const { line, text: why } of read.problems) {
          holds(line >= 1 && line <= lines.length + 1, `line ${line} is one of the file's`);
          holds(why.length < 2000, "a problem is told in short");
          // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
          holds(!/[\x00-\x1f\x7f-\x9f]/.test(why), `a problem is told harmlessly: ${JSON.stringify(why)}`);
        }
        if (name !== "captions.csv") {
          const filled = lines.filter((line) => line.trim() !== "").length;
          holds(read.rows.length + read.problems.length === filled, "no line is passed over in silence");
        }
        return equal(read.rows, untouched.get(name)) ? "same" : "other";
      },
    };
  },
};

export const fileTargets: readonly Target[] = [safetensors, config, vocabularies, runs, captions];
