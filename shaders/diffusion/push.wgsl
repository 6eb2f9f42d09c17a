// How far guidance and temperature push a prediction of x_0 from that of the full condition, in nats:
//
//   sums_row += KL(p_pushed || p_full) = sum over k of p_pushed,k (log p_pushed,k - log p_full,k)
//   p_pushed = softmax(sharpness scores_row),  p_full = softmax(full_row)
//
// Shapes: scores [rows, width], full [at least rows, width], logits or log-probabilities; sums [rows].
// Grid: one workgroup a row.
// @more

const WORKGROUP: u32 = 32; // @tune 8 16 32 64 128 256
const LOWEST: f32 = -3.0e38;

struct Params {
  rows: u32,
  width: u32,
  sharpness: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read> full: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;

// (highest, sum of exp(x - highest)) of the pushed logits, then of the full ones.
var<workgroup> parts: array<vec4<f32>, WORKGROUP>;
var<workgroup> terms: array<f32, WORKGROUP>;
// The logarithms of both sums of exponentials.
var<workgroup> normalisers: vec2<f32>;

// Adds one more logit to (highest, sum).
fn extend(part: vec2<f32>, logit: f32) -> vec2<f32> {
  let next = max(part.x, logit);
  return vec2<f32>(next, part.y * exp(part.x - next) + exp(logit - next));
}

// Joins (highest, sum) of two sets.
fn joined(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let next = max(a.x, b.x);
  return vec2<f32>(next, a.y * exp(a.x - next) + b.y * exp(b.x - next));
}

@compute @workgroup_size(WORKGROUP)
fn add_push(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let lane = local_id.x;
  let first = row * params.width;
  var part = vec4<f32>(LOWEST, 0.0, LOWEST, 0.0);
  for (var k = lane; k < params.width; k += WORKGROUP) {
    part = vec4<f32>(extend(part.xy, params.sharpness * scores[first + k]), extend(part.zw, full[first + k]));
  }
  parts[lane] = part;
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) {
      part = vec4<f32>(joined(part.xy, parts[other].xy), joined(part.zw, parts[other].zw));
    }
    normalisers = part.xz + log(part.yw);
  }
  workgroupBarrier();
  var term = 0.0;
  for (var k = lane; k < params.width; k += WORKGROUP) {
    let pushed = params.sharpness * scores[first + k] - normalisers.x;
    term += exp(pushed) * (pushed - (full[first + k] - normalisers.y));
  }
  terms[lane] = term;
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) { term += terms[other]; }
    sums[row] += term;
  }
}
