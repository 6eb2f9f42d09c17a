/** Prints a caption as it is denoised: `node examples/stream-caption.js [picture] [denoising steps]`. */

import { Captioner, Gpu } from "mc-diffusion";
import { nodePlatform, openNodeDevice, shippedWeights } from "mc-diffusion/node";

const path = process.argv[2] ?? "examples/pictures/waving-hand.png";
const steps = Number(process.argv[3] ?? 10);

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, shippedWeights());
const { imageSize } = captioner.config.data;
const picture = await nodePlatform.images.decode(await nodePlatform.files.read(path), imageSize, "contain");

// Each step arrives while the GPU works at the next. Breaking out of the loop frees everything.
for await (const step of captioner.denoise(picture, { steps, seed: 1, alternatives: 2 })) {
  const [first] = step.alternatives;
  const odds = first.map(({ word, probability }) => `${word} ${(100 * probability).toFixed(0)} %`).join(", ");
  console.log(`${String(step.u).padStart(3)}  ${step.text.padEnd(45)}  first word: ${odds}`);
}

captioner.dispose();
gpu.dispose();
