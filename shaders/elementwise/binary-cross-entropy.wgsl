// Binary cross-entropy of logits x and targets t in [0, 1], with a weight w for positives:
//
//   loss = -w t log σ(x) - (1 - t) log(1 - σ(x)) = (1 - t) x + (1 + (w - 1) t) (log(1 + e^-|x|) + max(-x, 0))
//   dx = dloss / count · ((1 + (w - 1) t) σ(x) - w t)
//
// The form on the right has no logarithm of a number that rounds to 0. elements, x, t, dx [count]; dloss [1] is the gradient
// of the mean. Grids: groups1d(count, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 64 128 256

struct Params {
  count: u32,
  positive_weight: f32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read_write> elements: array<f32>;

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
  let x = logits[i];
  let t = targets[i];
  let negative = log(1.0 + exp(-abs(x))) + max(-x, 0.0);
  elements[i] = (1.0 - t) * x + (1.0 + (params.positive_weight - 1.0) * t) * negative;
}

@group(0) @binding(3) var<storage, read> dloss: array<f32>;
@group(0) @binding(4) var<storage, read_write> dlogits: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.count) {
    return;
  }
  let t = targets[i];
  let probability = 1.0 / (1.0 + exp(-logits[i]));
  let slope = (1.0 + (params.positive_weight - 1.0) * t) * probability - params.positive_weight * t;
  var dx = dloss[0] / f32(params.count) * slope;
  if (params.accumulate != 0u) {
    dx += dlogits[i];
  }
  dlogits[i] = dx;
}
