// Adds up the parts of a product that was cut along k, in a fixed order:
// head[i] (+)= Σ_s parts[s, i] for i < head_size, tail[i - head_size] (+)= Σ_s parts[s, i] for the rest of a part.
// The tail is the row of column sums that shaders/matmul/matmul.wgsl appends; `combine` is the same without one.
//
// Grid: one invocation an element of a part, groups1d(part_size, WORKGROUP).

const WORKGROUP: u32 = 64; // @tune 64 128 256

struct Params {
  part_size: u32,
  head_size: u32,
  parts: u32,
  accumulate_head: u32,
  accumulate_tail: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> head: array<f32>;
@group(0) @binding(3) var<storage, read_write> tail: array<f32>;

fn total(i: u32) -> f32 {
  var sum = 0.0;
  for (var part = 0u; part < params.parts; part++) { sum += parts[part * params.part_size + i]; }
  return sum;
}

fn place(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

@compute @workgroup_size(WORKGROUP)
fn combine(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.head_size) { return; }
  var sum = total(i);
  if (params.accumulate_head != 0u) { sum += head[i]; }
  head[i] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn combine_both(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.part_size) { return; }
  var sum = total(i);
  if (i < params.head_size) {
    if (params.accumulate_head != 0u) { sum += head[i]; }
    head[i] = sum;
  } else {
    let j = i - params.head_size;
    if (params.accumulate_tail != 0u) { sum += tail[j]; }
    tail[j] = sum;
  }
}
