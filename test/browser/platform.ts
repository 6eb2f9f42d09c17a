/** Tests of the browser's platform, for a page: files by fetch and in the origin's own file system, pictures, clock, hashes. */

import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { browserPlatform } from "../../dist/platform/browser.js";
import { openDevice } from "../../dist/platform/device.js";
import { UserError } from "../../dist/platform/errors.js";
import { opfsFiles } from "../../dist/platform/opfs.js";
import type { RgbImage } from "../../dist/platform/platform.js";
import { type Checkpoint, latestCheckpoint, saveCheckpoint } from "../../dist/training/checkpoint.js";
import { type Check, test } from "../harness.js";

const { files, images } = browserPlatform;

async function throwsUserError(
  t: Check,
  action: Promise<unknown>,
  pattern: RegExp,
  message: string,
): Promise<void> {
  const error = await action.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  t.ok(
    error instanceof UserError && pattern.test(error.message),
    `${message}: ${error instanceof Error ? error.message : error}`,
  );
}

test("the adapter and its device", async (t) => {
  const device = await openDevice();
  const { architecture, isFallbackAdapter } = device.adapterInfo;
  t.equal(architecture, "swiftshader", "SwiftShader, as these tests' browser is started");
  t.ok(isFallbackAdapter, "it computes on the CPU and says so");
  const gpu = Gpu.from(device);
  t.equal(
    gpu.tuning.adapter.split("/").slice(0, 3).join("/"),
    "software/google/swiftshader",
    "the engine hears it",
  );
  gpu.dispose();
  t.ok(device.limits.maxStorageBufferBindingSize > 2 ** 27, "with the adapter's limits, not the least ones");
  device.destroy();
});

test("the clock and hashes", async (t) => {
  const first = browserPlatform.now();
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.ok(browserPlatform.now() - first >= 4, "milliseconds pass");
  const abc = new TextEncoder().encode("abc");
  t.equal(await browserPlatform.hash("sha-1", "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d", "of text");
  t.equal(
    await browserPlatform.hash("sha-256", abc),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "of bytes",
  );
});

test("files by fetch", async (t) => {
  t.equal(await files.readText("/data/text.txt"), "Grüße", "text in UTF-8");
  t.same([...(await files.read("/data/bytes.bin"))], [0, 255, 13, 10], "bytes");
  t.ok(await files.exists("/data/text.txt"), "what is there");
});

test("files in the origin's own file system", async (t) => {
  await opfsFiles.remove("test");
  await throwsUserError(
    t,
    opfsFiles.write("test/a", "x"),
    /^Cannot write test\/a: the folder that should hold it does not exist\.$/,
    "no folder",
  );
  await opfsFiles.makeDirectory("test/deep/er");
  await opfsFiles.makeDirectory("test/deep/er");
  await opfsFiles.write("test/a", new Uint8Array([1, 2, 255]));
  t.same([...(await opfsFiles.read("test/a"))], [1, 2, 255], "bytes come back");
  await opfsFiles.write("test/a", "zwei\n");
  await opfsFiles.append("test/a", "drei\n");
  await opfsFiles.append("test/new", "eins");
  t.equal(await opfsFiles.readText("test/a"), "zwei\ndrei\n", "a shorter text replaces, another is appended");
  t.equal(await opfsFiles.readText("test/new"), "eins", "appending makes the file");
  const data = new Uint8Array([9, 8, 7, 6]);
  await opfsFiles.write("test/part", data.subarray(1, 3));
  t.same([...(await opfsFiles.read("test/part"))], [8, 7], "a view of a larger buffer");
  // U+FF5E sorts before U+1F600, though its UTF-16 unit is the larger.
  for (const name of ["😀", "～", "b", "ab", "a", "B"]) await opfsFiles.write(`test/deep/${name}`, "");
  t.same(await opfsFiles.list("test/deep"), ["B", "a", "ab", "b", "er", "～", "😀"], "listed by code point");
  t.ok(await opfsFiles.isDirectory("test/deep"), "a folder");
  t.ok(!(await opfsFiles.isDirectory("test/a")), "a file is none");
  t.ok((await opfsFiles.exists("test/a")) && (await opfsFiles.exists("test/deep")), "both exist");
  t.ok(!(await opfsFiles.exists("test/none")) && !(await opfsFiles.exists("test/a/b")), "others do not");

  await opfsFiles.rename("test/deep", "test/moved");
  t.ok(!(await opfsFiles.exists("test/deep")), "a renamed folder is gone");
  t.same(await opfsFiles.list("test/moved"), ["B", "a", "ab", "b", "er", "～", "😀"], "and whole elsewhere");
  await throwsUserError(t, opfsFiles.rename("test/a", "test/moved"), /the new name is taken/, "a taken name");
  await throwsUserError(t, opfsFiles.rename("test/none", "test/b"), /it does not exist/, "a missing file");
  await throwsUserError(
    t,
    opfsFiles.rename("test/a", "test/no/b"),
    /the folder that should hold it does not exist/,
    "nowhere",
  );
  await throwsUserError(
    t,
    opfsFiles.read("test/none"),
    /^Cannot read test\/none: it does not exist\.$/,
    "reading",
  );
  await throwsUserError(
    t,
    opfsFiles.read("test/moved"),
    /^Cannot read test\/moved: it is a folder/,
    "a folder",
  );
  await throwsUserError(
    t,
    opfsFiles.list("test/none"),
    /^Cannot list test\/none: it does not exist\.$/,
    "listing",
  );
  await throwsUserError(
    t,
    opfsFiles.makeDirectory("test/a/b"),
    /^Cannot make the folder test\/a\/b: it is a/,
    "below a file",
  );
  await opfsFiles.remove("test");
  await opfsFiles.remove("test");
  t.ok(!(await opfsFiles.exists("test")), "removed whole, and again");
});

test("a reader never sees half a file", async (t) => {
  await opfsFiles.makeDirectory("torn");
  const size = 1 << 18;
  await opfsFiles.write("torn/big", new Uint8Array(size));
  let done = false;
  const writer = (async () => {
    for (let i = 1; i <= 10; i++) await opfsFiles.write("torn/big", new Uint8Array(size).fill(i));
    done = true;
  })();
  let [torn, reads] = [0, 0];
  while (!done) {
    // The browser refuses a file that was replaced between opening and reading it; that is no torn one.
    const bytes = await opfsFiles.read("torn/big").catch(() => null);
    if (bytes === null) continue;
    reads++;
    if (bytes.length !== size || bytes[0] !== bytes[size - 1]) torn++;
  }
  await writer;
  t.ok(reads > 0, `${reads} reads`);
  t.equal(torn, 0, "all whole");
  await opfsFiles.remove("torn");
});

test("checkpoints are kept in the origin's own file system", async (t) => {
  await opfsFiles.remove("run");
  await opfsFiles.makeDirectory("run");
  const tensor = (value: number): Checkpoint["model"] =>
    new Map([["w", { dtype: "F32", shape: [2], data: new Float32Array([value, -value]) }]]);
  for (const step of [1, 2, 3]) {
    const checkpoint = { step, model: tensor(step), optimizer: tensor(10 * step), state: { seed: 4 } };
    await saveCheckpoint(opfsFiles, "run/checkpoints", checkpoint, 2);
  }
  t.same(await opfsFiles.list("run/checkpoints"), ["step-000002", "step-000003"], "the last two");
  const { checkpoint, warnings } = await latestCheckpoint(opfsFiles, "run/checkpoints");
  t.equal(checkpoint?.step, 3, "the last one is found");
  t.same([...(checkpoint!.model.get("w")!.data as Float32Array)], [3, -3], "with its weights");
  t.same(warnings, [], "and nothing to complain of");
  await opfsFiles.remove("run");
});

interface Picture {
  name: string;
  size: number;
  fit: "contain" | "cover";
  /** Largest difference from Node's pixels that is allowed. */
  tolerance: number;
}

function difference(a: RgbImage, expected: Uint8Array): number {
  if (a.data.length !== expected.length) return Number.POSITIVE_INFINITY;
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - a.data[i]!)), 0);
}

test("pictures come out as in Node", async (t) => {
  const list = JSON.parse(await files.readText("/pictures/list.json")) as Picture[];
  for (const { name, size, fit, tolerance } of list) {
    const image = await images.decode(await files.read(`/pictures/${name}`), size, fit, { svg: "bounded" });
    const worst = difference(image, await files.read(`/pictures/${name}-${size}-${fit}.rgb`));
    t.ok(worst <= tolerance, `${name} ${size} ${fit}: differs by at most ${worst}, ${tolerance} allowed`);
  }
});

test("what Node refuses is refused here, with the same sentence", async (t) => {
  for (const name of JSON.parse(await files.readText("/pictures/refused.json")) as string[]) {
    const why = await images.decode(await files.read(`/pictures/${name}`), 8, "contain").then(
      () => "it was read",
      (error: unknown) => (error instanceof UserError ? error.message : `not ours: ${error}`),
    );
    t.equal(why, await files.readText(`/pictures/${name}.txt`), name);
  }
});

test("pictures are encoded without loss", async (t) => {
  const data = Uint8Array.from({ length: 17 * 17 * 3 }, (_, i) => (i * 37) % 256);
  const png = await images.encodePng({ width: 17, height: 17, data });
  t.equal(difference(await images.decode(png, 17, "contain"), data), 0, "the same pixels");
  await t.throwsMessage(
    images.encodePng({ width: 2, height: 2, data }),
    /^encodePng: 867 bytes for 2×2/,
    "too many bytes",
  );
});

test("what is no picture is named", async (t) => {
  const text = (value: string) => new TextEncoder().encode(value);
  await throwsUserError(t, images.decode(new Uint8Array(), 8, "contain"), /^the file is empty/, "no bytes");
  const damaged = /image is damaged or cannot be read/;
  await throwsUserError(
    t,
    images.decode(text("<svg xmlns='http://www.w3.org/2000/svg'><g>"), 8, "contain", { svg: "bounded" }),
    damaged,
    "half an SVG",
  );
  const jpeg = await files.read("/pictures/photo.jpg");
  await throwsUserError(t, images.decode(jpeg.subarray(0, 100), 8, "contain"), damaged, "the head of a JPEG");
});
