// Steps of optimisers over parameters in one buffer, with rates for groups of them.
//
//   g ← gradient · factor                                      factor = min(1, clip / ‖gradient‖), or 1
//   sgd:           w ← w - lr (g + decay w)
//   sgd_momentum:  v ← μ v + g + decay w                       w ← w - lr v, with NESTEROV w - lr (g + decay w + μ v)
//   adamw:         m ← β1 m + (1-β1) g,  v ← β2 v + (1-β2) g²  w ← w - lr ( m / (1-β1ⁿ) / (√(v / (1-β2ⁿ)) + ε) + decay w )
//
// The decay of SGD is that of an L2 penalty, AdamW's is decoupled (Loshchilov & Hutter, 2019).
// block_rates [n / 64]: which of `rates` a block of 64 elements has. rates: first (1/(1-β1ⁿ), 1/(1-β2ⁿ), -, -), then
// (lr, decay, -, -) of each group. The CPU writes them before a step, so that a captured step can be replayed.
// state [7], of shaders/optim/adamw.wgsl: [5] is 1 if the step is skipped, since the norm is not finite, [6] is the factor.
// Grids: groups1d(count, WORKGROUP), four parameters an invocation.
// @more

const WORKGROUP: u32 = 256; // @tune 64 128 256
const NESTEROV: bool = false; // @variant

struct Params {
  count: u32, // parameters / 4
  momentum: f32, // μ
  beta1: f32,
  beta2: f32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> block_rates: array<u32>;
@group(0) @binding(4) var<storage, read> rates: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> state: array<f32>;
@group(0) @binding(6) var<storage, read_write> velocity: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn sgd(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + lane;
  if (i >= params.count || state[5] != 0.0) {
    return;
  }
  let rate = rates[block_rates[i / 16u]];
  let w = weights[i];
  weights[i] = w - rate.x * (gradients[i] * state[6] + rate.y * w);
}

@compute @workgroup_size(WORKGROUP)
fn sgd_momentum(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + lane;
  if (i >= params.count || state[5] != 0.0) {
    return;
  }
  let rate = rates[block_rates[i / 16u]];
  let w = weights[i];
  let g = gradients[i] * state[6] + rate.y * w;
  let v = params.momentum * velocity[i] + g;
  velocity[i] = v;
  var direction = v;
  if (NESTEROV) {
    direction = g + params.momentum * v;
  }
  weights[i] = w - rate.x * direction;
}

@group(0) @binding(6) var<storage, read_write> first_moment: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> second_moment: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn adamw(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + lane;
  if (i >= params.count || state[5] != 0.0) {
    return;
  }
  let rate = rates[block_rates[i / 16u]];
  let correction = rates[0];
  let g = gradients[i] * state[6];
  let m = params.beta1 * first_moment[i] + (1.0 - params.beta1) * g;
  let v = params.beta2 * second_moment[i] + (1.0 - params.beta2) * g * g;
  first_moment[i] = m;
  second_moment[i] = v;
  let w = weights[i];
  let direction = m * correction.x / (sqrt(v * correction.y) + params.epsilon);
  weights[i] = w - rate.x * (direction + rate.y * w);
}
