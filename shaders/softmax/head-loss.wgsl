// The end of a loss whose gradients were computed before the factor that they get was known:
//   goal[i] (+)= factor[0] · source[source_offset + i],  i < count.
//
// Grid: one invocation an element, groups1d(count, WORKGROUP).

const WORKGROUP: u32 = 64; // @tune 64 128 256
const ACCUMULATE: bool = false; // @variant

struct Params {
  count: u32,
  source_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read> factor: array<f32>;
@group(0) @binding(3) var<storage, read_write> goal: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn scale(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.count) { return; }
  var value = factor[0] * source[params.source_offset + i];
  if (ACCUMULATE) { value += goal[i]; }
  goal[i] = value;
}
