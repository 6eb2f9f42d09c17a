/** What the captioner takes from a browser alone, for a page: pictures that only a browser has, and Cache Storage. */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { Captioner, type ImageOrFile, type ImageSource, opfsFiles, UserError } from "../../dist/index.js";
import { saveTrained } from "../../dist/training.js";
import { type Check, randomArray, test } from "../harness.js";

const address = "/weights/emoji";
const cacheName = "mc-diffusion-weights";

/** Runs `action` and tells which files it fetched. */
async function fetched(action: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = [];
  const { fetch } = globalThis;
  globalThis.fetch = (input, init) => {
    names.push(new URL(String(input)).pathname.split("/").at(-1)!);
    return fetch(input, init);
  };
  try {
    await action();
  } finally {
    globalThis.fetch = fetch;
  }
  return names;
}

test("weights are kept in Cache Storage", async (t, gpu) => {
  await caches.delete(cacheName);
  const progress: number[] = [];
  const load = (cache?: boolean) =>
    fetched(async () => {
      const onProgress = ({ loaded, total }: { loaded: number; total: number }) =>
        progress.push(loaded / total);
      (
        await Captioner.load(address, { gpu, onProgress, ...(cache === undefined ? {} : { cache }) })
      ).dispose();
    });
  const everything = ["config.json", "model.safetensors"];
  t.same(await load(false), everything, "cache: false fetches the weights");
  t.same(await (await caches.open(cacheName)).keys(), [], "and keeps none");
  t.same(await load(), everything, "the first time they are fetched");
  const cache = await caches.open(cacheName);
  const [request, ...others] = await cache.keys();
  t.equal(others.length, 0, "one entry is kept");
  t.ok(/\/weights\/emoji\/model\.safetensors\?sha256=[0-9a-f]{64}$/.test(request!.url), `${request?.url}`);
  const kept = new Uint8Array(await (await cache.match(request!))!.arrayBuffer());
  progress.length = 0;
  t.same(await load(), ["config.json"], "the second time only config.json is asked for");
  t.ok(progress.length > 0 && progress.at(-1) === 1, "with progress to the end");
  t.same(await load(false), everything, "unless cache: false says so");

  const damaged = kept.slice();
  damaged[kept.length - 5]! ^= 1;
  await cache.put(request!, new Response(damaged));
  t.same(await load(), everything, "what is damaged there is fetched anew");
  const mended = new Uint8Array(await (await cache.match(request!))!.arrayBuffer());
  t.ok(
    mended.length === kept.length && mended.every((byte, i) => byte === kept[i]),
    "and takes the place of the damaged",
  );
  await cache.delete(request!);
  await cache.put(request!.url.replace(/=.*/, "=of an earlier version"), new Response("old"));
  await cache.put(`${location.origin}/other/model.safetensors?sha256=0`, new Response("of another model"));
  await load();
  t.same(
    (await cache.keys()).map(({ url }) => new URL(url).pathname).sort(),
    ["/other/model.safetensors", "/weights/emoji/model.safetensors"],
    "an earlier version makes room, other models stay",
  );
  await caches.delete(cacheName);
});

test("kernels are compiled while the weights are downloaded", async (t, gpu) => {
  const pixels = drawing(64, 64, 1);
  const ready = await Captioner.load(address, { gpu, cache: false });
  const expected = await ready.caption(pixels);
  ready.dispose();
  const before = gpu.memory.liveBytes;
  const events: string[] = [];
  const captioner = await Captioner.load(address, {
    gpu,
    cache: false,
    onProgress: ({ loaded, total }) => {
      if (loaded === total) events.push("downloaded");
    },
    async whileLoading(unfilled) {
      events.push("called");
      await unfilled.caption(new ImageData(64, 64), { steps: 1 });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      events.push("done");
    },
  });
  events.push("loaded");
  t.same(
    [events[0], events.at(-1), events.filter((event) => event === "done").length],
    ["called", "loaded", 1],
    `load waits for both: ${events.join(", ")}`,
  );
  t.ok(events.indexOf("downloaded") > events.indexOf("called"), "the call comes before the weights");
  t.same(await captioner.caption(pixels), expected, `"${expected.text}" all the same`);
  captioner.dispose();
  await t.throwsMessage(
    Captioner.load(address, { gpu, cache: false, whileLoading: () => Promise.reject(new Error("stop")) }),
    /^stop$/,
    "its error ends the loading",
  );
  t.equal(gpu.memory.liveBytes, before, "and all memory is given back");
});

test("a captioner is kept in the origin's own file system", async (t, gpu) => {
  const captioner = await Captioner.load(address, { gpu, cache: false });
  const picture = drawing(40, 40, 1);
  const expected = await captioner.caption(picture);
  await saveTrained(captioner, opfsFiles, "kept/captioner");
  captioner.dispose();
  const kept = await Captioner.fromFolder(gpu, opfsFiles, "kept/captioner");
  t.same(await kept.caption(picture), expected, `"${expected.text}" again`);
  kept.dispose();
  await opfsFiles.write("kept/captioner/model.safetensors", "damaged");
  const error = await Captioner.fromFolder(gpu, opfsFiles, "kept/captioner").catch((thrown) => thrown);
  t.ok(/is damaged or of another version/.test(String(error)), "damaged weights are told");
  await opfsFiles.remove("kept");
});

test("a File is a picture, and odd pictures are told in our own words", async (t, gpu) => {
  const captioner = await Captioner.load(address, { gpu, cache: false });
  const codes = async (source: ImageOrFile) => {
    const tensor = await captioner.codes(source);
    const ids = [...(await tensor.read())];
    tensor.dispose();
    return ids;
  };
  const canvas = drawing(captioner.config.data.imageSize, captioner.config.data.imageSize, 1);
  const blob = await canvas.convertToBlob();
  const expected = await codes(canvas);
  t.same(await codes(new File([blob], "face.png")), expected, "a file");
  t.same(await codes(blob), expected, "a blob");
  const closed = await createImageBitmap(canvas);
  closed.close();
  const ended = new VideoFrame(canvas, { timestamp: 0 });
  ended.close();
  const broken = new Image();
  broken.src = URL.createObjectURL(new Blob(["no picture"]));
  await broken.decode().catch(() => {});
  const half = blob.slice(0, blob.size >> 1);
  for (const [name, source, pattern] of [
    [
      "a text",
      new File(["no picture"], "notes.png"),
      /^notes\.png: the file is text that begins "no picture"/,
    ],
    [
      "a GIF",
      new File(["GIF89a"], "face.png"),
      /^face\.png: the file is a GIF image, and a PNG, JPEG or WebP/,
    ],
    [
      "a drawing",
      new File(["<svg xmlns='http://www.w3.org/2000/svg'/>"], "a.svg"),
      /^a\.svg: the file is an SVG/,
    ],
    ["nothing", new Blob(), /^the file is empty/],
    ["half a file", half, /^the PNG image is damaged/],
    ["a closed bitmap", closed, /./],
    ["a closed frame", ended, /./],
    ["a broken image", broken, /./],
    ["an image without an address", new Image(), /./],
    ["a video without frames", document.createElement("video"), /./],
    ["a canvas without pixels", new OffscreenCanvas(0, 10), /./],
    ["a link", document.createElement("a"), /is not a picture/],
    ["an object", {}, /^Object is not a picture: give a File,/],
    ["a date", new Date(), /is not a picture/],
    ["null", null, /null is not a picture/],
    ["a name", "face.png", /face\.png is not a picture/],
  ] as const) {
    const error = await codes(source as unknown as ImageOrFile).then(
      () => "nothing was thrown",
      (thrown: unknown) => thrown,
    );
    t.ok(error instanceof UserError && pattern.test(error.message), `${name}: ${error}`);
  }
  captioner.dispose();
});

/** A drawing for `compare`, with slow changes of colour and hard edges; `alpha` of its ground. */
function drawing(width: number, height: number, alpha: number): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const ground = context.createLinearGradient(0, 0, width, height);
  ground.addColorStop(0, `rgb(250 200 40 / ${alpha})`);
  ground.addColorStop(1, `rgb(20 90 160 / ${alpha})`);
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  const numbers = randomArray(7, 60, 0.5).map(Math.abs);
  for (let i = 0; i < 60; i += 5) {
    context.fillStyle = `hsl(${numbers[i]! * 360} 80% 50%)`;
    const [x, y, w, h] = [1, 2, 3, 4].map((k) => numbers[i + k]! * 0.6) as [number, number, number, number];
    context.fillRect(x * width, y * height, w * width, h * height);
  }
  return canvas;
}

async function loadedImage(canvas: OffscreenCanvas): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = URL.createObjectURL(await canvas.convertToBlob());
  await image.decode();
  URL.revokeObjectURL(image.src);
  return image;
}

function onPage(canvas: OffscreenCanvas): HTMLCanvasElement {
  const element = document.createElement("canvas");
  [element.width, element.height] = [canvas.width, canvas.height];
  element.getContext("2d")!.drawImage(canvas, 0, 0);
  return element;
}

/** A video that shows the drawing, as a camera would. */
async function playing(canvas: OffscreenCanvas): Promise<HTMLVideoElement> {
  const shown = onPage(canvas);
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = shown.captureStream();
  const arrived = new Promise((resolve) => video.addEventListener("loadeddata", resolve, { once: true }));
  // A frame is captured when something was drawn. Drawn over itself, a picture that lets light through would grow denser.
  const context = shown.getContext("2d")!;
  context.globalCompositeOperation = "copy";
  const drawing = setInterval(() => context.drawImage(canvas, 0, 0), 30);
  await video.play();
  await arrived;
  clearInterval(drawing);
  return video;
}

async function codesOf(captioner: Captioner, source: ImageSource): Promise<number[]> {
  const codes = await captioner.codes(source);
  const result = [...(await codes.read())];
  codes.dispose();
  return result;
}

/** Compares the codes of every kind of source with those of the `ImageData` of the same drawing. */
async function compare(t: Check, gpu: Gpu, captioner: Captioner, size: [number, number], alpha: number) {
  const canvas = drawing(...size, alpha);
  const pixels = canvas.getContext("2d")!.getImageData(0, 0, ...size);
  const expected = await codesOf(captioner, pixels);
  t.ok(new Set(expected).size > 16, `${new Set(expected).size} different codes`);
  const bitmap = await createImageBitmap(canvas);
  const frame = new VideoFrame(canvas, { timestamp: 0, alpha: "keep" });
  const before = gpu.memory.liveBytes;
  for (const [name, source] of Object.entries({
    "an OffscreenCanvas": canvas,
    "a canvas element": onPage(canvas),
    "an ImageBitmap": bitmap,
    "a VideoFrame": frame,
    "an <img>": await loadedImage(canvas),
    "a <video>": await playing(canvas),
  })) {
    t.same(await codesOf(captioner, source), expected, `${size.join("×")}, ${alpha}: ${name}`);
  }
  await gpu.idle();
  t.equal(gpu.memory.liveBytes, before, "nothing is left of them");
  bitmap.close();
  frame.close();
}

test("canvases, bitmaps, video frames and images give the codes of ImageData", async (t, gpu) => {
  const captioner = await Captioner.load(address, { gpu, cache: false });
  await compare(t, gpu, captioner, [64, 64], 1);
  await compare(t, gpu, captioner, [333, 200], 1);
  await compare(t, gpu, captioner, [200, 150], 0.5);
  const bitmap = await createImageBitmap(drawing(20, 20, 1));
  bitmap.close();
  await t.throwsMessage(captioner.codes(bitmap), /0×0: both must be whole numbers/, "a closed bitmap");
  const video = document.createElement("video");
  await t.throwsMessage(captioner.codes(video), /0×0: .*is it loaded\?/, "a video without a source");
  await t.throwsMessage(captioner.codes(new Image()), /0×0: .*is it loaded\?/, "an image without a source");
  captioner.dispose();
});
