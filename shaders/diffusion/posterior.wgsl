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
// Shapes: log_probs [rows, width]; xt [rows]; t [rows / per_step]; steps as in loss.wgsl; result [rows, width + 1].
// Grid: one workgroup a row.

const WORKGROUP: u32 = 32; // @tune 8 16 32 64 128 256
const LOG_ZERO: f32 = -1.0e30;

struct Params {
  rows: u32,
  width: u32,
  per_step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> log_probs: array<f32>;
@group(0) @binding(2) var<storage, read> xt: array<u32>;
@group(0) @binding(3) var<storage, read> time: array<u32>;
@group(0) @binding(4) var<storage, read> steps: array<vec4<f32>>;
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
  let i = t * 5u;
  let prior = steps[i];          // log a, log b, log (a + b), log kappa
  let ratios = steps[i + 1u];    // a / b, kappa, 0 where t is not visited, 1 where betabar_t = 0
  let masking = steps[i + 2u];   // -, -, -, log gammabar_u / gammabar_t
  let moving = steps[i + 3u];    // -, -, -, log s_j / gammabar_t
  let staying = steps[i + 4u];   // -, -, log s_j / betabar_t elsewhere and at x_t

  var sum = 0.0;
  for (var k = local_id.x; k < width; k += WORKGROUP) {
    sum += exp(log_probs[base + k]) * select(1.0, ratios.y, k == here);
  }
  part[local_id.x] = sum;
  workgroupBarrier();
  if (local_id.x == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) { sum += part[other]; }
    log_scaled = log(max(sum, 1.0e-37));
  }
  workgroupBarrier();
  let tail = prior.y + log_scaled;
  // Of a step that is not visited, 0 among them, all coefficients are 0; ratios.z is not 0 otherwise.
  let valid = here <= width && t < arrayLength(&steps) / 5u && ratios.z != 0.0;

  for (var k = local_id.x; k <= width; k += WORKGROUP) {
    var value = LOG_ZERO;
    if (!masked && ratios.w == 1.0) {
      value = select(LOG_ZERO, 0.0, k == here);
    } else if (k == width) {
      if (masked) { value = masking.w + log_scaled; }
    } else {
      let log_p = log_probs[base + k] + select(0.0, prior.w, k == here);
      let before = select(select(staying.z, staying.w, k == here), moving.w, masked);
      value = before + log_add(prior.x + log_p, tail);
    }
    if (valid) {
      result[place + k] = max(value, LOG_ZERO);
    } else {
      result[place + k] = not_a_number();
    }
  }
}
