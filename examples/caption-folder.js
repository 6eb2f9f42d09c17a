/** Captions every picture of a folder: `node examples/caption-folder.js [folder] [denoising steps]`. */

import { Captioner, Gpu } from "mc-diffusion";
import { nodePlatform, openNodeDevice, shippedWeights } from "mc-diffusion/node";

const folder = process.argv[2] ?? "examples/pictures";
const steps = Number(process.argv[3] ?? 25);
const { files, images } = nodePlatform;

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
const captioner = await Captioner.fromFolder(gpu, files, shippedWeights());
const { imageSize } = captioner.config.data;

const names = (await files.list(folder)).filter((name) => /\.(png|jpe?g|webp)$/i.test(name));
const each = imageSize * imageSize * 3;
const bytes = new Uint8Array(names.length * each);
for (const [i, name] of names.entries()) {
  const picture = await images.decode(await files.read(`${folder}/${name}`), imageSize, "contain");
  bytes.set(picture.data, i * each);
}

const captions = await captioner.captionAll(bytes, { steps, seed: 1 });
for (const [i, { text }] of captions.entries()) console.log(`${names[i]}: ${text}`);

captioner.dispose();
gpu.dispose();
