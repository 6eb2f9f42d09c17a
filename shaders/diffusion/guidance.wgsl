// Guidance, Definitions 1 and 2 of the paper (CFG, MCS): two predictions of x_0, extrapolated in log space and renormalised.
//
//   log p = log p_partial + scale (log p_full - log p_partial) - log of the sum over tokens
//
// Shapes: scores [2 rows, width]: the full condition's rows, then the partial (or empty) condition's; mixed [rows, width].
// Grid: one workgroup a row.

const WORKGROUP: u32 = 32; // @tune 8 16 32 64 128 256
const LOWEST: f32 = -3.0e38;

struct Params {
  rows: u32,
  width: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> mixed: array<f32>;

var<workgroup> part_high: array<f32, WORKGROUP>;
var<workgroup> part_sum: array<f32, WORKGROUP>;
var<workgroup> row_high: f32;
var<workgroup> row_sum: f32;

// Combines every invocation's (high, sum of exp(x - high)) into row_high and row_sum.
fn combine(lane: u32, high: f32, sum: f32) {
  part_high[lane] = high;
  part_sum[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var highest = high;
    for (var other = 1u; other < WORKGROUP; other++) { highest = max(highest, part_high[other]); }
    var total = 0.0;
    for (var other = 0u; other < WORKGROUP; other++) { total += part_sum[other] * exp(part_high[other] - highest); }
    row_high = highest;
    row_sum = total;
  }
  workgroupBarrier();
}

@compute @workgroup_size(WORKGROUP)
fn mix_branches(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let full = row * params.width;
  let partial = (params.rows + row) * params.width;
  var high = LOWEST;
  var sum = 0.0;
  for (var k = local_id.x; k < params.width; k += WORKGROUP) {
    let score = scores[partial + k] + params.scale * (scores[full + k] - scores[partial + k]);
    let next = max(high, score);
    sum = sum * exp(high - next) + exp(score - next);
    high = next;
  }
  combine(local_id.x, high, sum);
  let lse = row_high + log(row_sum);
  for (var k = local_id.x; k < params.width; k += WORKGROUP) {
    let score = scores[partial + k] + params.scale * (scores[full + k] - scores[partial + k]);
    mixed[full + k] = score - lse;
  }
}
