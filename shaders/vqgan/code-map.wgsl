// Ids of codes in use: id[i] = map[code[i]]. The map holds whole numbers as float32, so that it is saved like other weights.
//
// Grid: groups1d(count, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 64 128 256

struct Params {
  count: u32,
  /** N: entries of the map. */
  codes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> code: array<u32>;
@group(0) @binding(2) var<storage, read> map: array<f32>;
@group(0) @binding(3) var<storage, read_write> id: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.count) {
    return;
  }
  id[i] = u32(map[min(code[i], params.codes - 1u)]);
}
