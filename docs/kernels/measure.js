/**
 * Measures the versions of docs/kernels.md: `node docs/kernels/measure.js [n] [rounds] [--write]`. Each round runs the multiply-add ceiling of
 * kernels-bench and every version once, in turn, so that other work on the machine hits all alike; a share is the median of the
 * rounds' ratios. On a software adapter the time is that of the processor, all threads, else that of the clock. `--write` puts the table into
 * docs/kernels.md, under the adapter's name.
 */

import { readFile, writeFile } from "node:fs/promises";
import { openNodeDevice } from "mc-diffusion/node";
import { setUp, versions } from "./versions.js";

const numbers = process.argv.slice(2).filter((word) => word !== "--write");
const [n = 512, rounds = 9] = numbers.map(Number);
const { device, software, description } = await openNodeDevice();
const seconds = () => {
  const { user, system } = process.cpuUsage();
  return software ? (user + system) / 1e6 : performance.now() / 1e3;
};

/** The ceiling: 2 · 96 operations an invocation and round, in registers. */
function ceiling(source) {
  const [invocations, repeats] = [64 * 1024, 16];
  const buffer = (size, usage) => device.createBuffer({ size, usage: usage | GPUBufferUsage.COPY_DST });
  const params = buffer(16, GPUBufferUsage.UNIFORM);
  const factors = buffer(32, GPUBufferUsage.STORAGE);
  device.queue.writeBuffer(params, 0, new Uint32Array([repeats, 0, 0, 0]));
  device.queue.writeBuffer(factors, 0, new Float32Array([0.5, 0.5, 0.5, 0.5, 1, 2, 3, 4]));
  const buffers = [params, factors, buffer(16 * invocations, GPUBufferUsage.STORAGE)];
  const module = device.createShaderModule({ code: source });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const bindGroup = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const encode = (pass) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(invocations / 64);
  };
  return { name: "ceiling", operations: 2 * 96 * repeats * invocations, encode };
}

async function timed({ encode }) {
  const begin = seconds();
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  return seconds() - begin;
}

const candidates = [
  ceiling(await readFile(new URL("../../shaders/common/fma.wgsl", import.meta.url), "utf8")),
];
for (const version of await versions(device)) {
  const values = new Float32Array(n * n).map((_, i) => Math.sin(i));
  candidates.push({
    ...setUp(device, version, n, values, values),
    name: version.name,
    operations: 2 * n ** 3,
  });
}
// The first run of a pipeline compiles it.
for (const candidate of candidates) await timed(candidate);
const rates = candidates.map(() => []);
for (let round = 0; round < rounds; round++)
  for (const [i, candidate] of candidates.entries())
    rates[i].push(candidate.operations / (await timed(candidate)) / 1e9);
const median = (list) => [...list].sort((x, y) => x - y)[list.length >> 1];
const adapter = description.replace(/ \(driver .*/, "");
const lines = [
  `${adapter}, n = ${n}, ${rounds} rounds, ${software ? "processor" : "clock"} time:`,
  "",
  "| version | GFLOP/s | share of the ceiling |",
  "| --- | --- | --- |",
];
for (const [i, { name }] of candidates.entries()) {
  const share = 100 * median(rates[i].map((rate, round) => rate / rates[0][round]));
  lines.push(`| ${name} | ${median(rates[i]).toPrecision(3)} | ${share.toFixed(share < 9.95 ? 1 : 0)} % |`);
}
console.log(lines.join("\n"));
if (process.argv.includes("--write")) {
  const page = new URL("../kernels.md", import.meta.url);
  const text = await readFile(page, "utf8");
  const name = /^\w+/.exec(adapter)[0];
  const place = new RegExp(`(<!-- measured: ${name} -->\n)[\\s\\S]*?(?=<!-- end -->)`);
  if (!place.test(text)) throw new Error(`docs/kernels.md has no place for ${name}`);
  await writeFile(page, text.replace(place, `$1${lines.join("\n")}\n`));
}
device.destroy();
