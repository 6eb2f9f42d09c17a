/** The captioner of `mc-diffusion/node`: folders, files, a device of its own. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import t from "tap";
import { Captioner, nodePlatform, openNodeGpu, shippedWeights } from "../../dist/node.js";
import { serve } from "../browser/server.js";

t.setTimeout(300_000);
const root = fileURLToPath(new URL("../..", import.meta.url));
const path = join(root, "examples/pictures/waving-hand.png");
const options = { steps: 5, seed: 1 };

const gpu = await openNodeGpu();
t.teardown(() => gpu.dispose());

t.test("a picture comes as path, address, bytes, Blob or pixels, with the same caption", async (t) => {
  const captioner = await Captioner.load("weights/emoji", { gpu });
  t.teardown(() => captioner.dispose());
  const bytes = await readFile(path);
  const pixels = await nodePlatform.images.decode(bytes, captioner.config.data.imageSize, "contain");
  const expected = await captioner.caption(pixels, options);
  t.match(expected.text, /waving/);
  const whole = new Uint8Array(bytes).buffer;
  const sources = {
    path,
    address: pathToFileURL(path),
    bytes,
    whole,
    blob: new Blob([new Uint8Array(bytes)]),
  };
  for (const [name, source] of Object.entries(sources))
    t.same(await captioner.caption(source, options), expected, name);
  const codes = await captioner.codes(path);
  t.same(await captioner.caption(codes, options), expected, "codes");
  codes.dispose();
  let last = "";
  for await (const step of captioner.denoise(path, options)) last = step.text;
  t.equal(last, expected.text, "step by step");
  await t.rejects(captioner.caption("no-such.png"), {
    message: "Cannot read no-such.png: it does not exist.",
  });
  await t.rejects(captioner.caption(new TextEncoder().encode("hello")), {
    message: 'the file is text that begins "hello", and a PNG, JPEG or WebP image was expected',
  });
  await t.rejects(captioner.caption(join(root, "package.json")), {
    message: /package\.json: the file is text/,
  });
  await t.rejects(captioner.caption(new File(["GIF89a"], "a.gif")), {
    message: /^a\.gif: the file is a GIF/,
  });
  await t.rejects(captioner.caption(5 as never), { message: /^5 is not a picture/ });
});

t.test("the shipped weights from anywhere, on a device that goes with the captioner", async (t) => {
  const before = process.cwd();
  process.chdir(t.testdir({}));
  t.teardown(() => process.chdir(before));
  for (const folder of [undefined, "weights/emoji", "./weights/emoji/"]) {
    const captioner = await Captioner.load(folder);
    const { device } = captioner.gpu;
    captioner.dispose();
    t.equal((await device.lost).reason, "destroyed", `${folder}`);
  }
  await t.rejects(Captioner.load("weights/other", { gpu }), {
    message: /^weights\/other holds no captioner: it needs config\.json/,
  });
});

t.test("from a web address, with its progress", async (t) => {
  const site = await serve({ folder: root, files: new Map() });
  t.teardown(() => site.close());
  const loaded: number[] = [];
  const captioner = await Captioner.load(`${site.url}/weights/emoji`, {
    gpu,
    onProgress: (progress) => loaded.push(progress.loaded),
  });
  const local = await Captioner.load(pathToFileURL(shippedWeights()), { device: gpu.device });
  t.ok(loaded.at(-1)! > 1e6);
  t.same(await captioner.caption(path, options), await local.caption(path, options));
  captioner.dispose();
  local.dispose();
  t.equal(await Promise.race([gpu.device.lost, "there"]), "there", "a device that was given stays");
});
