/** CLIP in a page: weights by address, pictures as only a browser has them. */

import { Clip, type ClipImage, clipScore } from "../../dist/clip.js";
import { test } from "../harness.js";

const tokens = [
  [598, 280, 162, 243, 277, 599],
  [598, 253, 157, 544, 0, 267, 59, 160, 75, 5, 108, 343, 599],
];
/** Of the reference, for image0.png. */
const cosines = [0.27963843, 0.13002096];

test("similarity of a picture with texts", async (t, gpu) => {
  const loaded: number[] = [];
  const clip = await Clip.load("/weights/clip", {
    gpu,
    onProgress: ({ loaded: bytes }) => loaded.push(bytes),
  });
  t.ok(loaded.length > 0, "progress");
  const blob = await (await fetch("/image0.png")).blob();
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d")!;
  context.drawImage(bitmap, 0, 0);
  const pictures: Record<string, ClipImage> = {
    file: blob,
    bitmap,
    canvas,
    pixels: context.getImageData(0, 0, bitmap.width, bitmap.height),
  };
  for (const [name, picture] of Object.entries(pictures)) {
    const { cosines: actual, probabilities } = await clip.similarity(picture, tokens);
    t.near(actual, cosines, { abs: 1e-4 }, name);
    t.ok(Math.abs(probabilities[0]! + probabilities[1]! - 1) < 1e-6, `${name}: probabilities`);
  }
  const texts = await clip.encodeTexts(["a red circle", "a photo"]);
  const image = await clip.encodeImages([blob]);
  t.ok(Number.isFinite(clipScore(image, texts.subarray(0, 32))), "texts by the vocabulary of the folder");
  await t.throwsMessage(
    () => clip.similarity(new Blob(["no picture"]), tokens),
    /was expected/,
    "no picture",
  );
  clip.dispose();
});
