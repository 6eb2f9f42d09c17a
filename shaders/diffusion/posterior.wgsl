// log p(x_u | x_t) over the M+1 states from log p~(x_0 | x_t) over M tokens, in O(M): the posterior mean
//   p(x_u | x_t) = sum_k q(x_u | x_t, x_0 = k) p~(k),     u < t, u = t-1 or a jump.
//
// With s_j = q(x_t | x_u = j), a = alphabar_u, b = betabar_u and the scaled ratios of src/diffusion/coefficients.ts:
//   x_t a token:  out_j = (s_j / betabar_t)  (a r~_j + b S~),  out_[MASK] = 0
//   x_t = [MASK]: out_j = (s_j / gammabar_t) (a p_j  + b S),   out_[MASK] = S gammabar_u / gammabar_t
// It sums to one by itself when p~ does, and is p~ at u = 0. Where beta is exactly 0 an unmasked token stays: one-hot.
// Log 0 is -1e30, so that no infinity arises. Where x_t or t is out of range, or t a step that the table does not visit,
// the row is NaN.
//
// Shapes: log_probs [rows, width]; xt [rows]; t [rows / per_step]; steps [T+1]; result [rows, width + 1].
// Grid: one workgroup a row.

const WORKGROUP: u32 = 32; // @tune 8 16 32 64 128 256
const LOG_ZERO: f32 = -1.0e30;

// @shared coefficients
// What a step t has of the schedule, for the way back to the step u that is visited next; all 0 where t is not visited.
// src/diffusion/coefficients.ts computes it. s_j = q(x_t | x_u = j).
struct Coefficients {
  log_alpha: f32,         // log alphabar_u
  log_beta: f32,          // log betabar_u
  log_alpha_beta: f32,    // log (alphabar_u + betabar_u)
  alpha_over_beta: f32,   // alphabar_u / betabar_u
  kappa: f32,             // betabar_t / (betabar_t + alphabar_t)
  log_kappa: f32,
  adaptive: f32,          // factor of an adaptive lambda, 2 - (t - 1) / T: 0 only where t is not visited
  frozen: f32,            // 1 where betabar_t = 0: a token is x_0 itself
  // q(x_u | x_t, x_0) where x_t is [MASK]: at x_0, at any other token, at all tokens together.
  masked_x0: f32,
  masked_other: f32,
  masked_total: f32,
  // Where x_t is another token than x_0: at x_0, at any third token, at x_t.
  other_x0: f32,
  other_other: f32,
  other_xt: f32,
  // Where x_t is x_0: there, at any other token.
  same_x0: f32,
  same_other: f32,
  log_mask_stays: f32,    // log (gammabar_u / gammabar_t)
  log_masking: f32,       // x_t = [MASK]: log (s_j / gammabar_t) at every token j
  log_changing: f32,      // x_t a token:  log (s_j / betabar_t) at j other than x_t
  log_staying: f32,       //               and at x_t
}
// @end shared

struct Params {
  rows: u32,
  width: u32,
  per_step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> log_probs: array<f32>;
@group(0) @binding(2) var<storage, read> xt: array<u32>;
@group(0) @binding(3) var<storage, read> time: array<u32>;
@group(0) @binding(4) var<storage, read> steps: array<Coefficients>;
@group(0) @binding(5) var<storage, read_write> result: array<f32>;

var<workgroup> part: array<f32, WORKGROUP>;
var<workgroup> log_scaled: f32;

fn log_add(x: f32, y: f32) -> f32 {
  let high = max(x, y);
  return high + log(1.0 + exp(min(x, y) - high));
}

// @shared not-a-number
// Of an id that is out of range: not a number, which no one takes for a result. WGSL cannot write it but as bits.
fn not_a_number() -> f32 {
  var bits = 0x7fc00000u;
  return bitcast<f32>(bits);
}
// @end shared

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let width = params.width;
  let base = row * width;
  let place = row * (width + 1u);
  let here = xt[row];
  let masked = here == width;
  let t = time[row / params.per_step];
  let step = steps[t];

  var sum = 0.0;
  for (var k = local_id.x; k < width; k += WORKGROUP) {
    sum += exp(log_probs[base + k]) * select(1.0, step.kappa, k == here);
  }
  part[local_id.x] = sum;
  workgroupBarrier();
  if (local_id.x == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) { sum += part[other]; }
    log_scaled = log(max(sum, 1.0e-37));
  }
  workgroupBarrier();
  let tail = step.log_beta + log_scaled;
  // Of a step that is not visited, 0 among them, all coefficients are 0; of others `adaptive` is not.
  let valid = here <= width && t < arrayLength(&steps) && step.adaptive != 0.0;

  for (var k = local_id.x; k <= width; k += WORKGROUP) {
    var value = LOG_ZERO;
    if (!masked && step.frozen == 1.0) {
      value = select(LOG_ZERO, 0.0, k == here);
    } else if (k == width) {
      if (masked) { value = step.log_mask_stays + log_scaled; }
    } else {
      let log_p = log_probs[base + k] + select(0.0, step.log_kappa, k == here);
      let before = select(select(step.log_changing, step.log_staying, k == here), step.log_masking, masked);
      value = before + log_add(step.log_alpha + log_p, tail);
    }
    if (valid) {
      result[place + k] = max(value, LOG_ZERO);
    } else {
      result[place + k] = not_a_number();
    }
  }
}
