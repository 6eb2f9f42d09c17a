/** The versions of the matrix product in docs/kernels.md: their WGSL, and how each is dispatched. */

import { readFile } from "node:fs/promises";

/** Elements of C that a workgroup of each version makes: columns, rows. */
const tiles = { naive: [32, 2], tiled: [16, 16], registers: [32, 32], vectors: [32, 32], subgroup: [32, 32] };

/** The versions that the device can run, in the order of the tutorial. */
export async function versions(device) {
  const lanes = device.features.has("subgroups") ? device.adapterInfo.subgroupMinSize : 0;
  const list = [];
  for (const [name, tile] of Object.entries(tiles)) {
    const source = await readFile(new URL(`${name}.wgsl`, import.meta.url), "utf8");
    if (name !== "subgroup") list.push({ name, source, tile });
    // With fewer lanes the tile is smaller.
    else if (lanes >= 8) list.push({ name, source, tile });
    else if (lanes === 4)
      list.push({ name, source: source.replace("LANES: u32 = 8", "LANES: u32 = 4"), tile: [16, 16] });
  }
  return list;
}

/** Buffers and the dispatch of one version on n × n matrices. */
export function setUp(device, { source, tile: [columns, rows] }, n, a, b) {
  const filled = (data, usage) => {
    const buffer = device.createBuffer({ size: data.byteLength, usage: usage | GPUBufferUsage.COPY_DST });
    device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  };
  const result = device.createBuffer({
    size: 4 * n * n,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
  });
  const size = filled(new Uint32Array([n, 0, 0, 0]), GPUBufferUsage.UNIFORM);
  const buffers = [size, filled(a, GPUBufferUsage.STORAGE), filled(b, GPUBufferUsage.STORAGE), result];
  const module = device.createShaderModule({ code: source });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const bindGroup = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  return {
    result,
    encode(pass) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(n / columns, n / rows);
    },
  };
}
