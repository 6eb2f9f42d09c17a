// Loss of the denoiser, fused with log-softmax: per token
//   t >= 2:  KL( q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t) ),   t = 1:  -log p~(x_0)
// plus lambda * (-log p~(x_0)), where p~ = softmax(logits) and p(x_{t-1} | x_t) = sum_k q(x_{t-1} | x_t, k) p~(k).
//
// O(M) form, with r~, S~, kappa as in src/diffusion/table.ts and a = alphabar_{t-1}, b = betabar_{t-1}:
//   Z_j = a r~_j + b S~ is the model's mass at j up to a factor that the truth q shares, and q takes only three values
//   (at x_0, at x_t, at every other token), so that
//   KL = q_0 (log N_0 - log Z_0) + q_v (log N_v - log Z_v) - q_other [ n log(S~/kappa_0) + sum_j log(1 + c p_j) ],  c = a / (b S~).
//   [MASK] adds nothing: its mass does not depend on the network. At t = 1 b = 0 and this is the cross-entropy.
//   d KL / d logit_j = Q p_j - r~_j (a w_j + b W),  w_j = q_j / Z_j,  W = sum w_j,  Q = sum of q over tokens.
// When beta is exactly 0 an unmasked token is x_0 itself: KL 0.
//
// Shapes: logits [rows, width]; x0, xt [rows]; t [rows / per_step]; steps [T+1] rows of 5 vec4 (table.ts);
// weights [rows / per_weight] or unused (per_weight = 0); terms [3, rows]: KL, auxiliary, weighted sum;
// stats [rows]: log-sum-exp, S~, b W, row factor: all that the gradient needs besides the logits.
// Grids: forward, backward: one workgroup a row. reduce: one workgroup.

const WORKGROUP: u32 = 32; // @tune 8 16 32 64 128 256
const REDUCE: u32 = 256;
const LOWEST: f32 = -3.0e38;

struct Params {
  rows: u32,
  width: u32,
  per_step: u32,
  per_weight: u32,
  lambda: f32,
  adaptive: u32,   // auxiliary weight falls from 2 lambda at t = 1 towards lambda at T
  mask_weight: f32,   // factor of the KL where x_t is [MASK]
  token_weight: f32,  // and where it is not
  accumulate: u32,
}

struct Step {
  log_a: f32, log_b: f32, log_ab: f32, log_kappa: f32,
  a_over_b: f32, kappa: f32, adaptive: f32, frozen: f32,
  mask_x0: f32, mask_other: f32, mask_total: f32, log_mask: f32,
  other_x0: f32, other_other: f32, other_xt: f32, log_masking: f32,
  same_x0: f32, same_other: f32, log_changing: f32, log_staying: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> x0: array<u32>;
@group(0) @binding(3) var<storage, read> xt: array<u32>;
@group(0) @binding(4) var<storage, read> t: array<u32>;
@group(0) @binding(5) var<storage, read> steps: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> weights: array<f32>;
@group(0) @binding(7) var<storage, read_write> terms: array<f32>;
@group(0) @binding(8) var<storage, read_write> stats: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read> saved: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read> dloss: array<f32>;
@group(0) @binding(11) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(12) var<storage, read_write> loss: array<f32>;

fn load_step(time: u32) -> Step {
  let i = time * 5u;
  let s0 = steps[i];
  let s1 = steps[i + 1u];
  let s2 = steps[i + 2u];
  let s3 = steps[i + 3u];
  let s4 = steps[i + 4u];
  return Step(
    s0.x, s0.y, s0.z, s0.w, s1.x, s1.y, s1.z, s1.w, s2.x, s2.y, s2.z, s2.w, s3.x, s3.y, s3.z, s3.w, s4.x, s4.y, s4.z, s4.w,
  );
}

fn log_add(x: f32, y: f32) -> f32 {
  let high = max(x, y);
  return high + log(1.0 + exp(min(x, y) - high));
}

// The true posterior over tokens, by the kind of (x_t, x_0).
struct Truth { at_x0: f32, at_xt: f32, other: f32, total: f32, log_kappa0: f32, live: bool }

fn truth(step: Step, masked: bool, same: bool) -> Truth {
  if (masked) { return Truth(step.mask_x0, 0.0, step.mask_other, step.mask_total, 0.0, true); }
  if (step.frozen == 1.0) { return Truth(0.0, 0.0, 0.0, 0.0, 0.0, false); }
  if (same) { return Truth(step.same_x0, 0.0, step.same_other, 1.0, step.log_kappa, true); }
  return Truth(step.other_x0, step.other_xt, step.other_other, 1.0, 0.0, true);
}

var<workgroup> part_a: array<f32, WORKGROUP>;
var<workgroup> part_b: array<f32, WORKGROUP>;
var<workgroup> shared_lse: f32;

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let lane = local_id.x;
  let width = params.width;
  let base = row * width;
  let start = x0[row];
  let here = xt[row];

  // Log-sum-exp of all tokens but x_t (1 - p(x_t) would lose its digits where the network is sure).
  var high = LOWEST;
  var sum = 0.0;
  for (var k = lane; k < width; k += 4u * WORKGROUP) {
    let k1 = k + WORKGROUP;
    let k2 = k1 + WORKGROUP;
    let k3 = k2 + WORKGROUP;
    var x = vec4<f32>(logits[base + k], LOWEST, LOWEST, LOWEST);
    if (k1 < width) { x.y = logits[base + k1]; }
    if (k2 < width) { x.z = logits[base + k2]; }
    if (k3 < width) { x.w = logits[base + k3]; }
    x = select(x, vec4<f32>(LOWEST), vec4<u32>(k, k1, k2, k3) == vec4<u32>(here));
    let next = max(high, max(max(x.x, x.y), max(x.z, x.w)));
    let e = select(exp(x - next), vec4<f32>(0.0), x == vec4<f32>(LOWEST));
    sum = sum * exp(high - next) + (e.x + e.y) + (e.z + e.w);
    high = next;
  }
  part_a[lane] = high;
  part_b[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) { high = max(high, part_a[other]); }
    sum = 0.0;
    for (var other = 0u; other < WORKGROUP; other++) { sum += part_b[other] * exp(part_a[other] - high); }
    shared_lse = high + log(sum);
  }
  workgroupBarrier();
  // Loaded only now: what lives across a barrier costs registers (or memory, on a software adapter).
  let masked = here >= width;
  let same = here == start;
  let step = load_step(t[row / params.per_step]);
  let q = truth(step, masked, same);
  let rest_lse = shared_lse;
  var lse = rest_lse;
  if (!masked) { lse = log_add(rest_lse, logits[base + here]); }
  var scaled = 1.0;  // S~
  if (!masked) { scaled = max(1.0e-30, exp(rest_lse - lse) + step.kappa * exp(logits[base + here] - lse)); }
  let c = step.a_over_b / scaled;

  // sum_j log(1 + c p_j) and sum_j 1 / (1 + c p_j) over the tokens other than x_0 and x_t. One logarithm and one
  // division serve two tokens: c p_j <= a / b at these, so a product of two does not overflow.
  var logs = 0.0;
  var inverses = 0.0;
  if (q.other > 0.0) {
    for (var k = lane; k < width; k += 4u * WORKGROUP) {
      let at = vec4<u32>(k, k + WORKGROUP, k + 2u * WORKGROUP, k + 3u * WORKGROUP);
      var x = vec4<f32>(logits[base + k], LOWEST, LOWEST, LOWEST);
      if (at.y < width) { x.y = logits[base + at.y]; }
      if (at.z < width) { x.z = logits[base + at.z]; }
      if (at.w < width) { x.w = logits[base + at.w]; }
      let left_out = (at == vec4<u32>(start)) | (at == vec4<u32>(here)) | (at >= vec4<u32>(width));
      let f = select(1.0 + c * exp(x - lse), vec4<f32>(1.0), left_out);
      let one = select(vec4<f32>(1.0), vec4<f32>(0.0), left_out);
      let pair = f.xz * f.yw;
      let log_pair = log(pair);
      let inverse = (one.xz * f.yw + one.yw * f.xz) / pair;
      logs += log_pair.x + log_pair.y;
      inverses += inverse.x + inverse.y;
    }
  }
  part_a[lane] = logs;
  part_b[lane] = inverses;
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) {
      logs += part_a[other];
      inverses += part_b[other];
    }
    let log_scaled = log(scaled);
    let log_p0 = logits[base + start] - lse;
    let log_z0 = log_add(step.log_a + q.log_kappa0 + log_p0, step.log_b + log_scaled);
    var kl = q.at_x0 * (q.log_kappa0 + step.log_ab - log_z0);
    var w = q.at_x0 * exp(step.log_b - log_z0);
    var others = f32(width) - 1.0;
    if (q.at_xt > 0.0) {
      let log_zv = log_add(step.log_a + step.log_kappa + logits[base + here] - lse, step.log_b + log_scaled);
      kl += q.at_xt * (step.log_b - log_zv);
      w += q.at_xt * exp(step.log_b - log_zv);
    }
    if (!masked && !same) { others -= 1.0; }
    if (q.other > 0.0) {
      kl -= q.other * (others * (log_scaled - q.log_kappa0) + logs);
      w += q.other / scaled * inverses;
    }
    if (!q.live) { kl = 0.0; }
    kl *= select(params.token_weight, params.mask_weight, masked);
    var factor = 1.0 / f32(params.rows);
    if (params.per_weight > 0u) { factor *= weights[row / params.per_weight]; }
    let auxiliary_weight = params.lambda * select(1.0, step.adaptive, params.adaptive != 0u);
    terms[row] = kl;
    terms[params.rows + row] = -log_p0;
    terms[2u * params.rows + row] = factor * (kl - auxiliary_weight * log_p0);
    stats[row] = vec4<f32>(lse, scaled, w, factor);
  }
}

var<workgroup> partial: array<f32, REDUCE>;

// loss = sum of the weighted terms.
@compute @workgroup_size(REDUCE)
fn reduce(@builtin(local_invocation_id) local_id: vec3<u32>) {
  var sum = 0.0;
  for (var row = local_id.x; row < params.rows; row += REDUCE) { sum += terms[2u * params.rows + row]; }
  partial[local_id.x] = sum;
  workgroupBarrier();
  for (var stride = REDUCE / 2u; stride > 0u; stride /= 2u) {
    if (local_id.x < stride) { partial[local_id.x] += partial[local_id.x + stride]; }
    workgroupBarrier();
  }
  if (local_id.x == 0u) { loss[0] = partial[0]; }
}

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let width = params.width;
  let base = row * width;
  let start = x0[row];
  let here = xt[row];
  let masked = here >= width;
  let same = here == start;
  let step = load_step(t[row / params.per_step]);
  let q = truth(step, masked, same);
  let stat = saved[row];
  let lse = stat.x;
  let c = step.a_over_b / stat.y;
  let factor = stat.w * dloss[0];
  let kl_factor = factor * select(params.token_weight, params.mask_weight, masked);
  let auxiliary = factor * params.lambda * select(1.0, step.adaptive, params.adaptive != 0u);
  let log_tail = step.log_b + log(stat.y);
  let shared_factor = kl_factor * (q.total - stat.z) + auxiliary;
  let other = kl_factor * q.other;
  for (var k = local_id.x; k < width; k += WORKGROUP) {
    let log_p = logits[base + k] - lse;
    let p = exp(log_p);
    var gradient = p * shared_factor;
    if (k == start || k == here) {
      // r~ a w = q a r~ / Z, in logs: r~ may vanish against b S~ and the other way round. Where x_t is not x_0, r~ at
      // x_t is kappa p: the difference to p goes back in.
      let at_start = k == start;
      let mass = select(q.at_xt, q.at_x0, at_start);
      let log_r = log_p + select(0.0, step.log_kappa, k == here);
      let log_ar = step.log_a + log_r;
      gradient -= kl_factor * mass * exp(log_ar - log_add(log_ar, log_tail));
      if (k == here) { gradient += kl_factor * stat.z * (p - exp(log_r)); }
      if (at_start) { gradient -= auxiliary; }
    } else {
      let ratio = c * p;
      gradient -= other * (ratio / (1.0 + ratio));
    }
    if (params.accumulate != 0u) { gradient += dlogits[base + k]; }
    dlogits[base + k] = gradient;
  }
}
