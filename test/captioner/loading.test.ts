/** Loading a captioner writes the weights of the file, each once, and computes no random ones before. */

import { Captioner } from "../../dist/captioner/captioner.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { build, saved } from "../tiny-captioner.js";

/** Runs `body`; counts the logarithms (a normal number takes one) and the bytes that are written to the device meanwhile. */
async function counted<T>(gpu: Gpu, body: () => Promise<T>) {
  const [log, write] = [Math.log, gpu.write];
  const counts = { logarithms: 0, writes: 0, bytes: 0 };
  Math.log = (x) => {
    counts.logarithms++;
    return log(x);
  };
  gpu.write = (...args) => {
    counts.writes++;
    counts.bytes += args[2].byteLength;
    write.apply(gpu, args);
  };
  try {
    const result = await body();
    return { ...counts, result };
  } finally {
    Math.log = log;
    gpu.write = write;
  }
}

test("weights of a file are written once, and no random ones before", async (t, gpu) => {
  const made = await counted(gpu, async () => build(gpu));
  const { config, tokenizer, imageTokenizer, decoder } = made.result;
  const parameters = [imageTokenizer, decoder].flatMap((network) => network.parameters());
  const elements = parameters.reduce((sum, { tensor }) => sum + tensor.size, 0);
  const unset = await counted(gpu, async () => new Captioner(gpu, config, tokenizer, { initialise: false }));
  t.equal(unset.result.unset.size, 2, "both networks are without weights");
  t.ok(
    made.logarithms - unset.logarithms > elements / 2,
    `${made.logarithms - unset.logarithms} normal numbers for ${elements} random weights`,
  );
  const codes = await unset.result.encodeAll(new Uint8Array(config.data.imageSize ** 2 * 3));
  t.equal(codes.length, unset.result.positions, "which run all the same, so that kernels compile meanwhile");
  unset.result.dispose();
  const weights = await saved(made.result);
  for (const half of [false, true]) {
    const files = new MemoryFiles();
    await made.result.save(files, "weights", weights, { half });
    const loaded = await counted(gpu, () => Captioner.fromFolder(gpu, files, "weights"));
    const kind = half ? "float16" : "float32";
    t.equal(loaded.result.unset.size, 0, `${kind}: both networks have weights`);
    t.equal(loaded.logarithms, unset.logarithms, "no random number is drawn");
    t.equal(loaded.writes - unset.writes, parameters.length, "a write for each parameter");
    t.equal(loaded.bytes - unset.bytes, elements * 4, "of its bytes");
    loaded.result.dispose();
  }
  made.result.dispose();
});
