/** Loads weights with another program's names and layouts: `node examples/foreign-weights.js [file.safetensors]`. */

import { decodeSafetensors, loadWeights, mapWeights, oihwToHwio, transposed } from "mc-diffusion";
import { fromArray, Gpu, mean, noGrad, relu } from "mc-diffusion/engine";
import { Conv2d, Linear, Module } from "mc-diffusion/nn";
import { nodePlatform, openNodeDevice } from "mc-diffusion/node";

const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);

/** A convolution 3×3 from 1 to 2 channels, relu, the mean over the pixels, a linear layer. */
class Network extends Module {
  constructor() {
    super(gpu);
    this.convolution = this.child("convolution", new Conv2d(gpu, 1, 2, { kernel: 3 }));
    this.classifier = this.child("classifier", new Linear(gpu, 2, 3));
  }
  forward(pictures) {
    return this.classifier.forward(mean(relu(this.convolution.forward(pictures)), [1, 2]));
  }
}

// As PyTorch saves Conv2d(1, 2, 3) and Linear(2, 3) in a Sequential.
const path = process.argv[2] ?? "examples/foreign-weights.safetensors";
const { tensors } = decodeSafetensors(await nodePlatform.files.read(path), path);
for (const [name, { dtype, shape }] of tensors) console.log(`${name}: ${dtype} [${shape.join(", ")}]`);

/** @type {import("mc-diffusion").WeightMap} */
const map = {
  ignore: [/^steps$/],
  rename: [
    [/^0\./, "convolution."],
    [/^4\./, "classifier."],
  ],
  // PyTorch has [out, in, height, width] and [out, in]; here the outputs come last.
  axes: [
    [/^convolution\.weight$/, oihwToHwio],
    [/^classifier\.weight$/, transposed],
  ],
};
const network = new Network();
loadWeights(network, mapWeights(tensors, map, network, path), path);
const picture = fromArray(
  gpu,
  Float32Array.from({ length: 16 }, (_, i) => i / 16),
  [1, 4, 4, 1],
);
const scores = await gpu.scope(() => noGrad(() => network.forward(picture))).read();
console.log(`scores: ${Array.from(scores, (score) => score.toFixed(4)).join(" ")}`);
gpu.dispose();
