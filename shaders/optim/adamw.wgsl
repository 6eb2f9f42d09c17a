// AdamW with global-norm clipping and averaged weights, over all parameters at once (Loshchilov & Hutter, 2019).
//
//   g  ← gradient · min(1, clip / ‖gradient‖)                 (clip = 0: no clipping)
//   m  ← β1 m + (1-β1) g            v ← β2 v + (1-β2) g²
//   w  ← w - lr ( m / (1-β1ⁿ) / (√(v / (1-β2ⁿ)) + ε) + decay · w )
//   average ← d · average + (1-d) · w                          (when `average_weight` = 1-d is not 0)
//
// The parameters lie in one buffer, each from a multiple of 64 elements on, so that a table with one factor for each
// block of 64 says where weight decay applies. What changes from step to step is read from `state`, whose first four
// numbers the CPU writes, so that a captured step can be replayed; finish_norm writes the others:
//   state = [lr, 1/(1-β1ⁿ), 1/(1-β2ⁿ), average_weight, ‖gradient‖, 1 if the step is skipped, min(1, clip / ‖gradient‖)]
// Parameters that are more than one binding may hold are several packs, each with PARTIALS sums of its own; finish_norm
// adds up those of all packs.
// A norm that is not finite makes the step a no-op.
// step_and_round also writes the weights as float16, for the products that read them so; w itself stays float32.
//
// Grids: sum_of_squares: PARTIALS workgroups, or PARTIALS / WORKGROUP with BY_LANE; finish_norm: 1 workgroup; step,
// step_and_round: groups1d(count, WORKGROUP), four parameters an invocation.

const WORKGROUP: u32 = 256; // @tune 64 128 256
// Partial sums of a pack, summed by one more workgroup.
const PARTIALS: u32 = 1024;
// Whether each invocation makes a partial sum of its own and one invocation adds them up: for software adapters, which
// take long to run barriers and longer to compile them.
const BY_LANE: bool = false; // @variant
alias Rounded = f32; // @variant f32=f32 f16=f16

struct Params {
  count: u32, // parameters of the pack / 4; finish_norm: partial sums of all packs
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  weight_decay: f32,
  clip: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> first_moment: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> second_moment: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> average: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> block_decay: array<f32>;
@group(0) @binding(7) var<storage, read> state: array<f32>;
@group(0) @binding(8) var<storage, read_write> rounded: array<vec4<Rounded>>;
@group(0) @binding(9) var<storage, read_write> partials: array<f32>;
@group(0) @binding(10) var<storage, read_write> state_written: array<f32>;

var<workgroup> sums: array<f32, WORKGROUP>;

fn sum_over_workgroup(local: u32) -> f32 {
  workgroupBarrier();
  for (var width = WORKGROUP / 2u; width > 0u; width = width / 2u) {
    if (local < width) {
      sums[local] = sums[local] + sums[local + width];
    }
    workgroupBarrier();
  }
  return sums[0];
}

fn squares(first: u32, stride: u32) -> f32 {
  var sum = 0.0;
  for (var i = first; i < params.count; i = i + stride) {
    sum = sum + dot(gradients[i], gradients[i]);
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn sum_of_squares(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let own = group.x * WORKGROUP + local;
  if (BY_LANE) {
    partials[own] = squares(own, PARTIALS);
    return;
  }
  sums[local] = squares(own, PARTIALS * WORKGROUP);
  let total = sum_over_workgroup(local);
  if (local == 0u) {
    partials[group.x] = total;
  }
}

fn sum_of_partials(first: u32, stride: u32) -> f32 {
  var sum = 0.0;
  for (var i = first; i < params.count; i = i + stride) {
    sum = sum + partials[i];
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn finish_norm(@builtin(local_invocation_index) local: u32) {
  var squared = 0.0;
  if (BY_LANE) {
    squared = sum_of_partials(0u, 1u);
  } else {
    sums[local] = sum_of_partials(local, WORKGROUP);
    squared = sum_over_workgroup(local);
  }
  if (local == 0u) {
    let length = sqrt(squared);
    let finite = (bitcast<u32>(length) & 0x7f800000u) != 0x7f800000u;
    state_written[4] = length;
    state_written[5] = select(1.0, 0.0, finite);
    state_written[6] = select(1.0, min(1.0, params.clip / (length + 1e-6)), params.clip > 0.0);
  }
}

// The step of four parameters; returns their new weights.
fn moved(i: u32) -> vec4<f32> {
  let g = gradients[i] * state[6];
  let m = params.beta1 * first_moment[i] + (1.0 - params.beta1) * g;
  let v = params.beta2 * second_moment[i] + (1.0 - params.beta2) * g * g;
  first_moment[i] = m;
  second_moment[i] = v;
  let direction = m * state[1] / (sqrt(v * state[2]) + params.epsilon);
  let decay = params.weight_decay * block_decay[i / 16u];
  let w = weights[i] - state[0] * (direction + decay * weights[i]);
  weights[i] = w;
  let average_weight = state[3];
  if (average_weight != 0.0) {
    average[i] = average[i] + average_weight * (w - average[i]);
  }
  return w;
}

@compute @workgroup_size(WORKGROUP)
fn step(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.count || state[5] != 0.0) {
    return;
  }
  moved(i);
}

@compute @workgroup_size(WORKGROUP)
fn step_and_round(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.count || state[5] != 0.0) {
    return;
  }
  rounded[i] = vec4<Rounded>(moved(i));
}
