// log p(x_u | x_t) for any transition, given as dense matrices over `states` states (rows: from, columns: to):
//   out_j = to_t[j, x_t] * sum_k p~(k) bar_u[k, j] / bar_t[k, x_t],
// to_t from u to t, bar_u and bar_t from 0. Terms with bar_t[k, x_t] = 0 (x_t cannot come from k) are left out and the
// others scaled to sum to one. log_probs may lack the last state ([MASK]). Log 0 is -1e30; where x_t is out of range the
// row is NaN.
//
// Shapes: log_probs [rows, width], width = states or states - 1; xt [rows]; the matrices [states, states];
// result [rows, states]. O(states^2) a row: for small vocabularies and as the oracle of posterior.wgsl.
// Grid: one workgroup a row.

const WORKGROUP: u32 = 64; // @tune 32 64 128
const LOG_ZERO: f32 = -1.0e30;

struct Params {
  rows: u32,
  width: u32,
  states: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> log_probs: array<f32>;
@group(0) @binding(2) var<storage, read> xt: array<u32>;
@group(0) @binding(3) var<storage, read> to_t: array<f32>;
@group(0) @binding(4) var<storage, read> bar_u: array<f32>;
@group(0) @binding(5) var<storage, read> bar_t: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<f32>;

var<workgroup> part: array<f32, WORKGROUP>;
var<workgroup> total: f32;

// @shared not-a-number
// Of an id that is out of range: not a number, which no one takes for a result. WGSL cannot write it but as bits.
fn not_a_number() -> f32 {
  var bits = 0x7fc00000u;
  return bitcast<f32>(bits);
}
// @end shared

@compute @workgroup_size(WORKGROUP)
fn posterior(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let states = params.states;
  let base = row * params.width;
  let here = xt[row];

  var sum = 0.0;
  for (var k = local_id.x; k < params.width; k += WORKGROUP) {
    if (bar_t[k * states + here] > 0.0) { sum += exp(log_probs[base + k]); }
  }
  part[local_id.x] = sum;
  workgroupBarrier();
  if (local_id.x == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) { sum += part[other]; }
    total = sum;
  }
  workgroupBarrier();
  let scale = total;

  for (var j = local_id.x; j < states; j += WORKGROUP) {
    var mass = 0.0;
    for (var k = 0u; k < params.width; k++) {
      let likelihood = bar_t[k * states + here];
      if (likelihood > 0.0) { mass += exp(log_probs[base + k]) * (bar_u[k * states + j] / likelihood); }
    }
    let value = mass * to_t[j * states + here] / scale;
    result[row * states + j] = select(LOG_ZERO, log(value), value > 0.0);
    if (here >= states) { result[row * states + j] = not_a_number(); }
  }
}
