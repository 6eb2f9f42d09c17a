// Loss of the denoiser, fused with log-softmax: per token
//   t >= 2:  KL( q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t) ),   t = 1:  -log p~(x_0)
// plus lambda * (-log p~(x_0)), where p~ = softmax(logits) and p(x_{t-1} | x_t) = sum_k q(x_{t-1} | x_t, k) p~(k).
//
// O(M) form, with r~, S~, kappa as in src/diffusion/coefficients.ts and a = alphabar_{t-1}, b = betabar_{t-1}:
//   Z_j = a r~_j + b S~ is the model's mass at j up to a factor that the truth q shares, and q takes only three values
//   (at x_0, at x_t, at every other token), so that
//   KL = q_0 (log N_0 - log Z_0) + q_v (log N_v - log Z_v) - q_other [ n log(S~/kappa_0) + sum_j log(1 + c p_j) ],  c = a / (b S~).
//   [MASK] adds nothing: its mass does not depend on the network. At t = 1 b = 0 and this is the cross-entropy.
//   d KL / d logit_j = Q p_j - r~_j (a w_j + b W),  w_j = q_j / Z_j,  W = sum w_j,  Q = sum of q over tokens;
//   at a token that is neither x_0 nor x_t: p_j (Q - b W) - q_other c p_j / (1 + c p_j).
// When beta is exactly 0 an unmasked token is x_0 itself: KL 0.
// Where x_0, x_t or t is out of range, or t a step that the table does not visit, all of a row is NaN.
//
// forward reads the logits twice: for the log-sum-exp, then for the two sums over the other tokens, where one logarithm
// and one division serve four tokens. backward reads them once. x_0 and x_t, whose formulas cost many logarithms, are
// worked out once a row.
//
// Shapes: logits [rows, width], which are the rows from first_row on of all_rows: x0, xt [all_rows];
// t [all_rows / per_step]; steps [T+1]; weights [all_rows / per_weight] or unused
// (per_weight = 0); terms [3, all_rows]: KL, auxiliary, weighted sum; stats [all_rows]: log-sum-exp, S~, W b, row factor:
// all that the gradient needs besides the logits.
// Grids: LANES invocations share a row, groups1d(rows LANES, WORKGROUP); one lane a row needs no barrier (software
// adapters). reduce: one workgroup.

const WORKGROUP: u32 = 64; // @tune 8 16 32 64 128 256
const LANES: u32 = 64; // @tune 1 8 16 32 64 128 256
const ACCUMULATE: bool = false; // @variant
const REDUCE: u32 = 256;
const LOWEST: f32 = -3.0e38;

struct Params {
  rows: u32,
  first_row: u32,
  all_rows: u32,
  width: u32,
  span_rows: u32, // the fewest rows that end with a whole vector of four: 1, 2 or 4
  per_step: u32,
  per_weight: u32,
  lambda: f32,
  adaptive: u32,   // auxiliary weight falls from 2 lambda at t = 1 towards lambda at T
  mask_weight: f32,   // factor of the KL where x_t is [MASK]
  token_weight: f32,  // and where it is not
}

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

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x0: array<u32>;
@group(0) @binding(3) var<storage, read> xt: array<u32>;
@group(0) @binding(4) var<storage, read> t: array<u32>;
@group(0) @binding(5) var<storage, read> steps: array<Coefficients>;
@group(0) @binding(6) var<storage, read> weights: array<f32>;
@group(0) @binding(7) var<storage, read_write> terms: array<f32>;
@group(0) @binding(8) var<storage, read_write> stats: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read> saved: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read> dloss: array<f32>;
@group(0) @binding(11) var<storage, read_write> dlogits: array<vec4<f32>>;
@group(0) @binding(12) var<storage, read_write> loss: array<f32>;
// Logits that become their gradients.
@group(0) @binding(13) var<storage, read_write> vectors: array<vec4<f32>>;

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

// The true posterior over tokens, by the kind of (x_t, x_0).
struct Truth { at_x0: f32, at_xt: f32, other: f32, total: f32, log_kappa0: f32, live: bool }

fn truth(step: Coefficients, masked: bool, same: bool) -> Truth {
  if (masked) { return Truth(step.masked_x0, 0.0, step.masked_other, step.masked_total, 0.0, true); }
  if (step.frozen == 1.0) { return Truth(0.0, 0.0, 0.0, 0.0, 0.0, false); }
  if (same) { return Truth(step.same_x0, 0.0, step.same_other, 1.0, step.log_kappa, true); }
  return Truth(step.other_x0, step.other_xt, step.other_other, 1.0, 0.0, true);
}

var<workgroup> scratch: array<vec2<f32>, WORKGROUP>;

fn row_of(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * (WORKGROUP / LANES) + local / LANES;
}

// The sums over the lanes of a row, in every lane.
fn sum_of_row(local: u32, part: vec2<f32>) -> vec2<f32> {
  if (LANES == 1u) { return part; }
  scratch[local] = part;
  workgroupBarrier();
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    if (local % LANES < step) { scratch[local] += scratch[local + step]; }
    workgroupBarrier();
  }
  return scratch[local - local % LANES];
}

// @shared log-sum-exp-of-row
// The log-sum-exp of a row from its lanes' (top, sum of exp(x - top)); in every lane.
fn log_sum_exp_of_row(local: u32, part: vec2<f32>) -> f32 {
  var all = part;
  if (LANES > 1u) {
    scratch[local] = part;
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
      if (local % LANES < step) {
        let other = scratch[local + step];
        let top = max(all.x, other.x);
        all = vec2<f32>(top, all.y * exp(all.x - top) + other.y * exp(other.x - top));
        scratch[local] = all;
      }
      workgroupBarrier();
    }
    all = scratch[local - local % LANES];
    workgroupBarrier();
  }
  return all.x + log(all.y);
}

// The tokens of a vector of four logits, for the row that begins at element `first`: below 0 (as large numbers) or
// beyond the width where they belong to a neighbour.
fn tokens_of(vector: u32, first: u32) -> vec4<u32> {
  return vec4<u32>(4u * vector - first) + vec4<u32>(0u, 1u, 2u, 3u);
}

fn logit(row: u32, token: u32) -> f32 {
  let at = row * params.width + min(token, params.width - 1u);
  return logits[at / 4u][at % 4u];
}

const NONE: u32 = 0xffffffffu;

// The vector that the row beginning at element `first` shares with the row before it (side 0) or after it (side 1);
// NONE if it ends with a whole vector, or if side 0 has it already.
fn edge_of(first: u32, side: u32) -> u32 {
  let end = first + params.width;
  if (side == 0u) { return select(NONE, first / 4u, first % 4u != 0u); }
  return select(NONE, end / 4u, end % 4u != 0u && (end / 4u != first / 4u || first % 4u == 0u));
}
// @end shared

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let own = row_of(group, groups, local);
  let local_row = min(own, params.rows - 1u);
  let row = params.first_row + local_row;
  let width = params.width;
  let first = local_row * params.width;
  let end = (first + params.width + 3u) / 4u;
  let start = x0[row];
  let here = xt[row];

  // Log-sum-exp of all tokens but x_t (1 - p(x_t) would lose its digits where the network is sure).
  var part = vec2<f32>(LOWEST, 0.0);
  for (var i = first / 4u + local % LANES; i < end; i += LANES) {
    let token = tokens_of(i, first);
    let counts = (token < vec4<u32>(width)) & (token != vec4<u32>(here));
    let x = select(vec4<f32>(LOWEST), logits[i], counts);
    let top = max(max(max(x.x, x.y), max(x.z, x.w)), part.x);
    let e = select(vec4<f32>(0.0), exp(x - top), counts);
    part = vec2<f32>(top, part.y * exp(part.x - top) + (e.x + e.y) + (e.z + e.w));
  }
  let rest_lse = log_sum_exp_of_row(local, part);

  let masked = here >= width;
  let same = here == start;
  let time = t[row / params.per_step];
  let step = steps[time];
  let q = truth(step, masked, same);
  // Of a step that is not visited, 0 among them, all coefficients are 0.
  let valid = start < width && here <= width && time < arrayLength(&steps) && step.adaptive != 0.0;
  var lse = rest_lse;
  var scaled = 1.0;  // S~
  var log_p_here = 0.0;
  if (!masked) {
    let x_here = logit(local_row, here);
    lse = log_add(rest_lse, x_here);
    log_p_here = x_here - lse;
    scaled = max(1.0e-30, exp(rest_lse - lse) + step.kappa * exp(log_p_here));
  }
  let c = step.alpha_over_beta / scaled;

  // sum_j log(1 + c p_j) and sum_j 1 / (1 + c p_j) over the tokens other than x_0 and x_t. There c p_j <= a / b, and
  // the p_j of four tokens sum to at most 1: the product of four is at most (1 + a / 4b)^4, that of two (1 + a / 2b)^2.
  var sums = vec2<f32>(0.0);
  if (q.other > 0.0) {
    let four = step.alpha_over_beta < 1.0e9;
    for (var i = first / 4u + local % LANES; i < end; i += LANES) {
      let token = tokens_of(i, first);
      let counts = (token < vec4<u32>(width)) & (token != vec4<u32>(here)) & (token != vec4<u32>(start));
      let f = select(vec4<f32>(1.0), 1.0 + c * exp(logits[i] - lse), counts);
      let one = select(vec4<f32>(0.0), vec4<f32>(1.0), counts);
      let pair = f.xz * f.yw;
      let inverse = one.xz * f.yw + one.yw * f.xz;  // of each pair, times its product
      if (four) {
        let product = pair.x * pair.y;
        sums += vec2<f32>(log(product), (inverse.x * pair.y + inverse.y * pair.x) / product);
      } else {
        let quotient = inverse / pair;
        sums += vec2<f32>(log(pair.x) + log(pair.y), quotient.x + quotient.y);
      }
    }
  }
  sums = sum_of_row(local, sums);
  if (own >= params.rows || local % LANES != 0u) { return; }

  let log_scaled = log(scaled);
  let log_p0 = logit(local_row, start) - lse;
  let log_z0 = log_add(step.log_alpha + q.log_kappa0 + log_p0, step.log_beta + log_scaled);
  var kl = q.at_x0 * (q.log_kappa0 + step.log_alpha_beta - log_z0);
  var w = q.at_x0 * exp(step.log_beta - log_z0);
  var others = f32(width) - 1.0;
  if (q.at_xt > 0.0) {
    let log_zv = log_add(step.log_alpha + step.log_kappa + log_p_here, step.log_beta + log_scaled);
    kl += q.at_xt * (step.log_beta - log_zv);
    w += q.at_xt * exp(step.log_beta - log_zv);
  }
  if (!masked && !same) { others -= 1.0; }
  if (q.other > 0.0) {
    kl -= q.other * (others * (log_scaled - q.log_kappa0) + sums.x);
    w += q.other / scaled * sums.y;
  }
  if (!q.live) { kl = 0.0; }
  kl *= select(params.token_weight, params.mask_weight, masked);
  var factor = 1.0 / f32(params.all_rows);
  if (params.per_weight > 0u) { factor *= weights[row / params.per_weight]; }
  let auxiliary_weight = params.lambda * select(1.0, step.adaptive, params.adaptive != 0u);
  if (!valid) {
    kl = not_a_number();
    factor = kl;
  }
  terms[row] = kl;
  terms[params.all_rows + row] = select(kl, -log_p0, valid);
  terms[2u * params.all_rows + row] = factor * (kl - auxiliary_weight * log_p0);
  stats[row] = vec4<f32>(lse, scaled, w, factor);
}

var<workgroup> partial: array<f32, REDUCE>;

// loss = sum of the weighted terms.
@compute @workgroup_size(REDUCE)
fn reduce(@builtin(local_invocation_id) local_id: vec3<u32>) {
  var sum = 0.0;
  for (var row = local_id.x; row < params.all_rows; row += REDUCE) { sum += terms[2u * params.all_rows + row]; }
  partial[local_id.x] = sum;
  workgroupBarrier();
  for (var stride = REDUCE / 2u; stride > 0u; stride /= 2u) {
    if (local_id.x < stride) { partial[local_id.x] += partial[local_id.x + stride]; }
    workgroupBarrier();
  }
  if (local_id.x == 0u) { loss[0] = partial[0]; }
}

// What the gradient of a row is made of.
struct Slope {
  lse: f32,
  c: f32,
  p: f32,        // factor of p_j
  other: f32,    // factor of c p_j / (1 + c p_j)
  start: u32,
  here: u32,
  at_start: f32, // gradient at x_0
  at_here: f32,  // and at x_t, if it is another token
}

// At x_0 or x_t. r~ a w = q a r~ / Z, in logs: r~ may vanish against b S~ and the other way round. Where x_t is not
// x_0, r~ at x_t is kappa p: the difference to p goes back in.
fn slope_at(step: Coefficients, log_p: f32, p_factor: f32, kl_mass: f32, kl_w: f32, log_tail: f32, is_here: bool) -> f32 {
  let log_r = log_p + select(0.0, step.log_kappa, is_here);
  let log_ar = step.log_alpha + log_r;
  let p = exp(log_p);
  return p * p_factor - kl_mass * exp(log_ar - log_add(log_ar, log_tail)) + select(0.0, kl_w * (p - exp(log_r)), is_here);
}

fn slope_of(row: u32, x_start: f32, x_here: f32) -> Slope {
  let start = x0[row];
  let here = xt[row];
  let masked = here >= params.width;
  let same = here == start;
  let step = steps[t[row / params.per_step]];
  let q = truth(step, masked, same);
  let stat = saved[row];
  let factor = stat.w * dloss[0];
  let kl = factor * select(params.token_weight, params.mask_weight, masked);
  let auxiliary = factor * params.lambda * select(1.0, step.adaptive, params.adaptive != 0u);
  let log_tail = step.log_beta + log(stat.y);
  let p_factor = kl * (q.total - stat.z) + auxiliary;
  let at_start = slope_at(step, x_start - stat.x, p_factor, kl * q.at_x0, kl * stat.z, log_tail, same) - auxiliary;
  let at_here = slope_at(step, x_here - stat.x, p_factor, kl * q.at_xt, kl * stat.z, log_tail, true);
  return Slope(
    stat.x, step.alpha_over_beta / stat.y, p_factor, kl * q.other, start, select(here, params.width, same), at_start, at_here
  );
}

fn gradients(slope: Slope, x: vec4<f32>, token: vec4<u32>) -> vec4<f32> {
  let p = exp(x - slope.lse);
  let ratio = slope.c * p;
  let anywhere = p * slope.p - slope.other * (ratio / (1.0 + ratio));
  let but_start = select(anywhere, vec4<f32>(slope.at_start), token == vec4<u32>(slope.start));
  return select(but_start, vec4<f32>(slope.at_here), token == vec4<u32>(slope.here));
}

// Gradients are written by whole vectors, which consecutive rows share unless the width is a multiple of four. Lanes
// therefore take span_rows rows that end with a whole vector together, and their first lane alone the shared ones.
@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let begin = row_of(group, groups, local) * params.span_rows;
  let lane = local % LANES;
  for (var local_row = begin; local_row < min(begin + params.span_rows, params.rows); local_row++) {
    let row = params.first_row + local_row;
    let first = local_row * params.width;
    let slope = slope_of(row, logit(local_row, x0[row]), logit(local_row, xt[row]));
    for (var i = (first + 3u) / 4u + lane; i < (first + params.width) / 4u; i += LANES) {
      let gradient = gradients(slope, logits[i], tokens_of(i, first));
      if (ACCUMULATE) { dlogits[i] += gradient; } else { dlogits[i] = gradient; }
    }
    for (var side = 0u; side < 2u; side++) {
      let i = edge_of(first, side);
      if (i != NONE && lane == 0u) {
        let token = tokens_of(i, first);
        let gradient = gradients(slope, logits[i], token);
        for (var j = 0u; j < 4u; j++) {
          if (token[j] < params.width) {
            if (ACCUMULATE) { dlogits[i][j] += gradient[j]; } else { dlogits[i][j] = gradient[j]; }
          }
        }
      }
    }
  }
}

fn element(i: u32) -> f32 { return vectors[i / 4u][i % 4u]; }

@compute @workgroup_size(WORKGROUP)
fn backward_in_place(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let begin = row_of(group, groups, local) * params.span_rows;
  let lane = local % LANES;
  for (var local_row = begin; local_row < min(begin + params.span_rows, params.rows); local_row++) {
    let row = params.first_row + local_row;
    let first = local_row * params.width;
    // Other lanes may have replaced these two logits already, but only the lane that has not uses them.
    let slope = slope_of(row, element(first + min(x0[row], params.width - 1u)), element(first + min(xt[row], params.width - 1u)));
    for (var i = (first + 3u) / 4u + lane; i < (first + params.width) / 4u; i += LANES) {
      vectors[i] = gradients(slope, vectors[i], tokens_of(i, first));
    }
    for (var side = 0u; side < 2u; side++) {
      let i = edge_of(first, side);
      if (i != NONE && lane == 0u) {
        let token = tokens_of(i, first);
        let gradient = gradients(slope, vectors[i], token);
        for (var j = 0u; j < 4u; j++) {
          if (token[j] < params.width) {
            vectors[i][j] = gradient[j];
          }
        }
      }
    }
  }
}
