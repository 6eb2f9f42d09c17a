/** Tells three spirals apart by a small network: `node examples/spiral-classifier.js [steps]`. */

import { backward, fromArray, Gpu } from "mc-diffusion/engine";
import { AdamW, crossEntropy, Linear, Module } from "mc-diffusion/nn";
import { openNodeDevice } from "mc-diffusion/node";
import { argmax } from "mc-diffusion/ops";

const steps = Number(process.argv[2] ?? 300);
const opened = await openNodeDevice();
const gpu = Gpu.from(opened.device, opened);

/** 2 → 64 → 64 → 3. */
class Network extends Module {
  constructor() {
    super(gpu);
    this.first = this.child("first", new Linear(gpu, 2, 64));
    this.second = this.child("second", new Linear(gpu, 64, 64));
    this.head = this.child("head", new Linear(gpu, 64, 3));
  }

  forward(points) {
    const hidden = this.first.forward(points, { activation: "silu" });
    return this.head.forward(this.second.forward(hidden, { activation: "silu" }));
  }
}

const perClass = 100;
const spirals = Array.from({ length: 3 * perClass }, (_, i) => {
  const radius = (i % perClass) / perClass;
  const angle = 4 * radius + (2 * Math.PI * Math.floor(i / perClass)) / 3 + 0.1 * Math.sin(37 * i);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
});
const points = fromArray(gpu, spirals.flat(), [3 * perClass, 2]);
const labels = spirals.map((_, i) => Math.floor(i / perClass));
const targets = fromArray(gpu, labels, [3 * perClass], "u32");

const network = new Network();
network.initialise(1);
const optimizer = new AdamW(network, { learningRate: 0.01 });
for (let step = 1; step <= steps; step++) {
  // Everything made in a scope is freed at its end, but what it returns.
  const loss = gpu.scope(() => {
    optimizer.zeroGrad();
    const { loss } = crossEntropy(network.forward(points), targets);
    backward(loss);
    optimizer.step();
    return loss.detach();
  });
  if (step === 1 || step % 100 === 0) console.log(`step ${step}: loss ${(await loss.item()).toFixed(3)}`);
  loss.dispose();
}
const found = await gpu.scope(() => argmax(network.forward(points), 1)).read();
const right = labels.filter((label, i) => found[i] === label).length;
console.log(`${right} of ${labels.length} points right`);
gpu.dispose();
