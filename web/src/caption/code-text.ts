/** The program that makes the caption shown, to copy. */

import type { Given } from "./link.js";
import type { Sampling } from "./settings.js";

/** Module code for a page: the same model, settings and words. `weights` is the address of the weights' folder. */
export function codeText(
  weights: string,
  { steps, temperature, seed, guidance }: Sampling,
  words: readonly Given[] | null,
): string {
  const options = [
    `  steps: ${steps},`,
    `  temperature: ${temperature},`,
    `  seed: ${seed},`,
    `  guidance: ${JSON.stringify(guidance)
      .replace(/"(\w+)":/g, "$1: ")
      .replace(/,/g, ", ")},`,
    ...(words ? [`  words: ${JSON.stringify(words)},`] : []),
  ];
  return [
    'import { Captioner } from "mc-diffusion";',
    "",
    `const captioner = await Captioner.load(${JSON.stringify(weights)});`,
    'const picture = document.querySelector("img"); // or a canvas, an ImageBitmap, a File',
    "for await (const step of captioner.denoise(picture, {",
    ...options,
    "})) console.log(step.t, step.text);",
    "",
  ].join("\n");
}
