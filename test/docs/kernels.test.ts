/** Every version of the matrix product in docs/kernels.md, against float64; and the page shows what the files hold. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import t from "tap";
import { openNodeDevice } from "../../dist/node.js";
import { randomArray } from "../random-array.js";

interface Version {
  name: string;
  source: string;
}

interface Versions {
  versions(device: GPUDevice): Promise<Version[]>;
  setUp(
    device: GPUDevice,
    version: Version,
    n: number,
    a: Float32Array,
    b: Float32Array,
  ): { result: GPUBuffer; encode(pass: GPUComputePassEncoder): void };
}

t.setTimeout(600_000);
const folder = fileURLToPath(new URL("../../docs/", import.meta.url));
const { versions, setUp } = (await import(
  pathToFileURL(join(folder, "kernels", "versions.js")).href
)) as Versions;
const { device } = await openNodeDevice();
t.teardown(() => device.destroy());

function product(a: Float32Array, b: Float32Array, n: number): Float64Array {
  const c = new Float64Array(n * n);
  for (let row = 0; row < n; row++)
    for (let k = 0; k < n; k++)
      for (let column = 0; column < n; column++) c[row * n + column]! += a[row * n + k]! * b[k * n + column]!;
  return c;
}

for (const version of await versions(device)) {
  // One tile, and several with a number of them that is no power of two.
  for (const n of [32, 96]) {
    t.test(`${version.name}, n = ${n}`, async (t) => {
      const [a, b] = [1, 2].map((seed) => Float32Array.from(randomArray(seed, n * n))) as [
        Float32Array,
        Float32Array,
      ];
      const { result, encode } = setUp(device, version, n, a, b);
      const readBack = device.createBuffer({
        size: result.size,
        usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
      });
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encode(pass);
      pass.end();
      encoder.copyBufferToBuffer(result, 0, readBack, 0, result.size);
      device.queue.submit([encoder.finish()]);
      await readBack.mapAsync(GPUMapMode.READ);
      const c = new Float32Array(readBack.getMappedRange().slice(0));
      const expected = product(a, b, n);
      const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(c[i]! - value)), 0);
      t.ok(worst < 1e-5 * Math.sqrt(n), `largest error ${worst}`);
      t.ok(
        expected.some((value) => Math.abs(value) > 1),
        "of numbers of the size of 1",
      );
      result.destroy();
      readBack.destroy();
    });
  }
}

t.test("what docs/kernels.md quotes stands in the files that it names", async (t) => {
  const page = readFileSync(join(folder, "kernels.md"), "utf8");
  const sections = page.split(/^## /m).filter((section) => section.includes("```wgsl"));
  t.ok(sections.length >= 3, `${sections.length} sections with code`);
  for (const section of sections) {
    const file = /\(kernels\/(\w+\.wgsl)\)/.exec(section)?.[1] ?? "";
    const quoted = /```wgsl\n([\s\S]*?)```/.exec(section)![1]!;
    t.ok(
      readFileSync(join(folder, "kernels", file), "utf8").includes(quoted),
      `${file} has the quoted lines`,
    );
  }
  for (const name of ["naive", "tiled", "registers", "vectors", "subgroup"])
    t.ok(page.includes(`kernels/${name}.wgsl`), `${name}.wgsl is in the page`);
});
