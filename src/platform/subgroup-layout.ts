/**
 * How a device spreads the invocations of a workgroup over subgroups. WGSL does not promise any order; the kernels with
 * subgroups need teams of neighbouring invocations that are neighbouring lanes.
 */

/**
 * `wrong` becomes 1 where a team of TEAM invocations is no aligned run of lanes, in order, whose values can be passed on. In a
 * workgroup of one team the lanes begin at 0.
 */
export const source = `enable subgroups;
override TEAM: u32;
override SIZE: u32;
@group(0) @binding(0) var<storage, read_write> wrong: array<u32>;
@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) index: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let own = index % TEAM;
  var fits = lane % TEAM == own && (SIZE > TEAM || lane == index);
  for (var other = 0u; other < TEAM; other++) {
    let told = subgroupShuffle(index, lane - own + other);
    fits = fits && told == index - own + other;
  }
  if (!fits) { wrong[0] = 1u; }
}`;

/** Invocations of the larger workgroup: several subgroups on most devices. */
const workgroup = 64;
const known = new Map<string, Promise<boolean>>();

/** Whether teams of 8 invocations, or of 4 where subgroups are that small, are runs of lanes. Asks each adapter once. */
export function subgroupsInOrder(device: GPUDevice): Promise<boolean> {
  const { vendor, architecture, device: name, description, subgroupMinSize } = device.adapterInfo;
  const key = [vendor, architecture, name, description, subgroupMinSize].join();
  const found = known.get(key) ?? probe(device, source, subgroupMinSize >= 8 ? 8 : 4);
  known.set(key, found);
  return found;
}

/** Runs the kernel for a workgroup of one team and for a larger one. False as well if the device refuses it. */
export async function probe(device: GPUDevice, code: string, team: number): Promise<boolean> {
  const label = "mcd subgroup layout";
  const usage = GPUBufferUsage;
  const wrong = device.createBuffer({ label, size: 4, usage: usage.STORAGE | usage.COPY_SRC });
  const told = device.createBuffer({ label, size: 4, usage: usage.MAP_READ | usage.COPY_DST });
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ label, code });
  const encoder = device.createCommandEncoder({ label });
  for (const size of [team, workgroup]) {
    const pipeline = device.createComputePipeline({
      label,
      layout: "auto",
      compute: { module, entryPoint: "main", constants: { TEAM: team, SIZE: size } },
    });
    const layout = pipeline.getBindGroupLayout(0);
    const pass = encoder.beginComputePass({ label });
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      device.createBindGroup({ label, layout, entries: [{ binding: 0, resource: { buffer: wrong } }] }),
    );
    pass.dispatchWorkgroups(1);
    pass.end();
  }
  encoder.copyBufferToBuffer(wrong, 0, told, 0, 4);
  device.queue.submit([encoder.finish()]);
  try {
    if (await device.popErrorScope()) return false;
    await told.mapAsync(GPUMapMode.READ);
    return new Uint32Array(told.getMappedRange())[0] === 0;
  } catch {
    return false; // the device is lost, which its user hears of
  } finally {
    wrong.destroy();
    told.destroy();
  }
}
