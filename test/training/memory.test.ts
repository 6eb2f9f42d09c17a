/** What training and captioning take of the device they give back, in Node and in a page. */
import { platform } from "#test-host";
import { Captioner } from "../../dist/captioner/captioner.js";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { WordTokenizer } from "../../dist/text/words.js";
import { runStage } from "../../dist/training/loop.js";
import { test } from "../harness.js";
import { MemoryFiles } from "../io/memory-files.js";
import { decoderTraining, silentProgress, tinyConfig, vqvaeTraining } from "./setup.js";

/** Bytes that tensors hold, and bytes that the engine keeps for reuse. */
async function bytes(gpu: Gpu): Promise<{ live: number; pooled: number }> {
  await gpu.idle();
  const { liveBytes, pooledBytes } = gpu.memory;
  return { live: liveBytes, pooled: pooledBytes };
}

test("ten captions take no more than two, and the captioner gives all back", async (t, gpu) => {
  gpu.trim();
  const start = await bytes(gpu);
  const config = tinyConfig(
    "data.maxLength=6",
    "decoder.dim=32",
    "decoder.blocks=1",
    "decoder.heads=2",
    "sampling.steps=3",
  );
  const captioner = new Captioner(gpu, config, new WordTokenizer(["a", "red", "cat"]));
  const picture = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 37) % 256);
  const caption = async (seed: number) => {
    const [made] = await captioner.captionAll(picture, { seed, guidance: { method: "mcs", scale: 2 } });
    return made!.tokens.length;
  };
  t.equal(await caption(0), 6, "a caption");
  const { live } = await bytes(gpu);
  t.ok(live > start.live, "a captioner holds memory");
  await caption(1);
  const second = await bytes(gpu);
  t.equal(second.live, live, "captions hold none");
  for (let seed = 2; seed < 10; seed++) await caption(seed);
  // The first one may leave its buffers in another order than the others find and leave them.
  t.same(await bytes(gpu), second, "after ten captions live and pooled bytes are as after two");
  captioner.dispose();
  gpu.trim();
  t.same(await bytes(gpu), start, "and all is as at the start once the captioner is gone");
});

for (const [stage, make] of Object.entries({ vqvae: vqvaeTraining, decoder: decoderTraining })) {
  test(`${stage}: a stopped training gives all its memory back`, async (t, gpu) => {
    gpu.trim();
    const start = await bytes(gpu);
    const config = tinyConfig(`${stage}.steps=50`, "log.checkpointEvery=2");
    const training = make(gpu, config);
    const files = new MemoryFiles();
    let steps = 0;
    const outcome = await runStage(training.trainer, {
      platform: { ...platform, files },
      run: await RunFolder.create(files, "run", {}),
      seed: config.seed,
      log: config.log,
      progress: silentProgress(),
      interrupted: () => steps >= 5,
      onStep: () => {
        steps++;
      },
      resume: false,
    });
    t.equal(outcome, "interrupted", "it was stopped");
    t.ok(
      [...files.contents.keys()].some((path) => path.includes("step-000005")),
      "after step 5, which it saved",
    );
    t.ok((await bytes(gpu)).live > start.live, "it holds memory");
    training.dispose();
    gpu.trim();
    t.same(await bytes(gpu), start, "and none once it is gone");
  });
}
