/** A caption step by step as an animated GIF: the picture, and below it the words. */

import { applyPalette, GIFEncoder, quantize } from "gifenc";
import { canvasOf } from "../canvas-of.js";
import type { Word } from "../caption-words.js";

const width = 480;
const picture = 320;
const height = 460;
/** Milliseconds of a step, and of the last one. */
const [pace, rest] = [160, 2000];

/** `steps`: the words of each step, in order. */
export function animation(pixels: ImageData, steps: readonly (readonly Word[])[]): Blob {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  const source = canvasOf(pixels);
  const encoder = GIFEncoder();
  steps.forEach((words, i) => {
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, width, height);
    const scale = picture / Math.max(pixels.width, pixels.height);
    const [w, h] = [pixels.width * scale, pixels.height * scale];
    context.drawImage(source, (width - w) / 2, 10 + (picture - h) / 2, w, h);
    drawWords(context, words);
    const { data } = context.getImageData(0, 0, width, height);
    const palette = quantize(data, 256);
    encoder.writeFrame(applyPalette(data, palette), width, height, {
      palette,
      delay: i === steps.length - 1 ? rest : pace,
      repeat: 0,
    });
  });
  encoder.finish();
  return new Blob([encoder.bytes()], { type: "image/gif" });
}

/** The words up to the first end, in lines. */
function drawWords(context: OffscreenCanvasRenderingContext2D, words: readonly Word[]): void {
  context.font = "600 20px system-ui, sans-serif";
  context.textBaseline = "top";
  const end = words.findIndex(({ text }) => text === "[END]");
  let [x, y] = [12, picture + 24];
  for (const { text } of words.slice(0, end < 0 ? undefined : end)) {
    const shown = text === "[MASK]" ? "▒▒▒" : text;
    const wide = context.measureText(`${shown} `).width;
    if (x + wide > width - 12) [x, y] = [12, y + 28];
    context.fillStyle = text === "[MASK]" ? "#9aa3b0" : "#1b2230";
    context.fillText(shown, x, y);
    x += wide;
  }
}
