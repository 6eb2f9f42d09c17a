/** Keeps some words of a caption and has the rest denoised: `node examples/infill.js [picture] [template] [steps]`. */

import { Captioner, Gpu } from "mc-diffusion";
import { nodePlatform, openNodeDevice, shippedWeights } from "mc-diffusion/node";

const path = process.argv[2] ?? "examples/pictures/factory-worker.png";
// `_` is a gap of one word.
const template = process.argv[3] ?? "man _ _ with light skin";
const steps = Number(process.argv[4] ?? 25);

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, shippedWeights());
const { imageSize } = captioner.config.data;
const picture = await nodePlatform.images.decode(await nodePlatform.files.read(path), imageSize, "contain");

const [free] = await captioner.captionAll(picture.data, { steps, seed: 1 });
const [filled] = await captioner.captionAll(picture.data, { steps, seed: 1, words: template });
console.log(`without words: ${free.text}`);
console.log(`template:      ${template}`);
console.log(`filled:        ${filled.text}`);

captioner.dispose();
gpu.dispose();
