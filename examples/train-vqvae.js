/** Trains a VQ-VAE on your pictures: `node examples/train-vqvae.js [folder] [steps] [reconstruction.png]`. */

import { fromArray, Gpu, noGrad, resolveConfig, VqVae } from "mc-diffusion";
import { nodePlatform, openNodeDevice } from "mc-diffusion/node";
import { TokenizerTraining } from "mc-diffusion/training";

const folder = process.argv[2] ?? "examples/pictures";
const steps = Number(process.argv[3] ?? 100);
const out = process.argv[4];
const { files, images } = nodePlatform;

const settings = ["data.imageSize=32", "vqvae.channels=16", "vqvae.codes=64", "vqvae.batch=8"];
const config = resolveConfig({ preset: "quick", set: [...settings, `vqvae.steps=${steps}`] });
const { imageSize: size } = config.data;
const { channels, codes, codeDim, downsample, resBlocks, attention } = config.vqvae;

const names = (await files.list(folder)).filter((name) => /\.(png|jpe?g|webp)$/i.test(name));
const pictures = [];
for (const name of names)
  pictures.push((await images.decode(await files.read(`${folder}/${name}`), size, "contain")).data);

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);
const vqvae = new VqVae(gpu, { imageSize: size, channels, codes, codeDim, downsample, resBlocks, attention });
vqvae.initialise(1);
/** Batch n: the pictures in turn. */
const fill = (n, bytes) => {
  const { batch } = config.vqvae;
  for (let i = 0; i < batch; i++) bytes.set(pictures[(n * batch + i) % pictures.length], i * size * size * 3);
};
const training = new TokenizerTraining(vqvae, config.vqvae, 1, fill);
for (let step = 1; step <= steps; step++) {
  const { losses } = await training.step(step);
  if (step === 1 || step % 20 === 0)
    console.log(`step ${step}: reconstruction ${losses.reconstruction.toFixed(4)}`);
}

const values = Float32Array.from(pictures[0], (byte) => byte / 127.5 - 1);
const { ids, image } = gpu.scope(() =>
  noGrad(() => {
    const ids = vqvae.encode(fromArray(gpu, values, [1, size, size, 3]));
    return { ids, image: vqvae.decode(ids) };
  }),
);
console.log(`${names[0]} is ${vqvae.side}×${vqvae.side} codes: ${(await ids.read()).join(" ")}`);
const data = Uint8Array.from(await image.read(), (x) => Math.max(0, Math.min(255, (x + 1) * 127.5)));
if (out) await files.write(out, await images.encodePng({ width: size, height: size, data }));
training.dispose();
gpu.dispose();
