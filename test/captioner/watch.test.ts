import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { test } from "../harness.js";
import { build, pictures } from "../tiny-captioner.js";

/** A texture as a page's own passes would fill it. */
function textureOf(gpu: Gpu, rgb: Uint8Array): { texture: GPUTexture; draw(rgb: Uint8Array): void } {
  const texture = gpu.device.createTexture({
    size: [16, 16],
    format: "rgba8unorm",
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
  });
  const draw = (rgb: Uint8Array) => {
    const rgba = new Uint8Array(16 * 16 * 4).fill(255);
    for (let i = 0; i < 256; i++) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    gpu.device.queue.writeTexture({ texture }, rgba, { bytesPerRow: 64 }, [16, 16]);
  };
  draw(rgb);
  return { texture, draw };
}

test("a watched texture: its codes and where the words look, frame after frame", async (t, gpu) => {
  const captioner = build(gpu);
  const all = pictures(2);
  const frames = [all.slice(0, 768), all.slice(768)];
  const { texture, draw } = textureOf(gpu, frames[0]!);
  const watch = captioner.watch(texture, "a red cat");
  const { buffer } = watch.attention.buffer;
  const seen: string[] = [];
  for (const [i, frame] of frames.entries()) {
    draw(frame);
    await watch.update(i === 0 ? {} : { slice: { milliseconds: 0.05 } });
    const { positions } = captioner;
    const codes = await captioner.codes({ width: 16, height: 16, data: frame });
    t.same([...(await watch.codes.read())], [...(await codes.read())], "the codes of the frame");
    // The last step of a chain whose words are given is the same pass: t = 1 with these words.
    let attention: Float32Array | null = null;
    const tokens = captioner.tokenizer.encodeFixed("a red cat", watch.length);
    const chain = captioner.denoise(codes, {
      from: { t: 1, tokens },
      guidance: { method: "none" },
      attention: true,
    });
    for await (const step of chain) attention = step.attention!.data;
    t.near(await watch.attention.read(), attention!, { abs: 1e-6 }, "the attention of that pass");
    t.same(watch.attention.shape, [6, positions], "a row for each position of the caption");
    seen.push((await watch.attention.read()).join());
    codes.dispose();
  }
  t.ok(seen[0] !== seen[1], "another frame, another attention");
  watch.setWords("a black dog");
  await watch.update();
  t.ok((await watch.attention.read()).join() !== seen[1], "other words look elsewhere");
  t.equal(watch.attention.buffer.buffer, buffer, "the buffer stays the same");
  await t.throwsMessage(
    () => watch.setWords("a zebra"),
    /"zebra" is not in the model's vocabulary/,
    "unknown",
  );
  await t.throwsMessage(() => captioner.watch(texture, "a", { t: 0 }), /step is 0/, "no such step");
  await t.throwsMessage(watch.update({ slice: { milliseconds: 0 } }), /slice of 0 ms/, "no such slice");
  watch.dispose();
  texture.destroy();
  captioner.dispose();
});
