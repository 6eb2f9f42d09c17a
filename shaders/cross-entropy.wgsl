// Cross-entropy of logits [rows, width] with class indices targets [rows]:
//   row_loss = log-sum-exp(logits) - logits[target], 0 where the target is `ignored`;
//   loss = sum of row_loss / number of rows that count (0 if none does).
//   d loss / d logit_j = (softmax_j - [j = target]) / number of rows that count.
//
// forward reads the logits once (online log-sum-exp, four elements a rescaling).
// Grids: forward, backward: one workgroup a row. reduce: one workgroup.

const WORKGROUP: u32 = 64; // @tune 8 16 32 64 128 256
const REDUCE: u32 = 256;
const LOWEST: f32 = -3.0e38;

struct Params {
  rows: u32,
  width: u32,
  ignored: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> row_loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> share: array<f32>;  // 1 / rows that count
@group(0) @binding(7) var<storage, read> saved_lse: array<f32>;
@group(0) @binding(8) var<storage, read> saved_share: array<f32>;
@group(0) @binding(9) var<storage, read> dloss: array<f32>;
@group(0) @binding(10) var<storage, read_write> dlogits: array<f32>;

var<workgroup> part_high: array<f32, WORKGROUP>;
var<workgroup> part_sum: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let lane = local_id.x;
  let base = row * params.width;
  var high = LOWEST;
  var sum = 0.0;
  for (var k = lane; k < params.width; k += 4u * WORKGROUP) {
    let k1 = k + WORKGROUP;
    let k2 = k1 + WORKGROUP;
    let k3 = k2 + WORKGROUP;
    var x = vec4<f32>(logits[base + k], LOWEST, LOWEST, LOWEST);
    if (k1 < params.width) { x.y = logits[base + k1]; }
    if (k2 < params.width) { x.z = logits[base + k2]; }
    if (k3 < params.width) { x.w = logits[base + k3]; }
    let next = max(high, max(max(x.x, x.y), max(x.z, x.w)));
    let e = exp(x - next);
    sum = sum * exp(high - next) + (e.x + e.y) + (e.z + e.w);
    high = next;
  }
  part_high[lane] = high;
  part_sum[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) { high = max(high, part_high[other]); }
    sum = 0.0;
    for (var other = 0u; other < WORKGROUP; other++) { sum += part_sum[other] * exp(part_high[other] - high); }
    let total = high + log(sum);
    let goal = targets[row];
    lse[row] = total;
    row_loss[row] = 0.0;
    if (goal != params.ignored) { row_loss[row] = total - logits[base + min(goal, params.width - 1u)]; }
  }
}

var<workgroup> partial: array<f32, REDUCE>;
var<workgroup> counted: array<f32, REDUCE>;

@compute @workgroup_size(REDUCE)
fn reduce(@builtin(local_invocation_id) local_id: vec3<u32>) {
  var sum = 0.0;
  var count = 0.0;
  for (var row = local_id.x; row < params.rows; row += REDUCE) {
    sum += row_loss[row];
    count += select(1.0, 0.0, targets[row] == params.ignored);
  }
  partial[local_id.x] = sum;
  counted[local_id.x] = count;
  workgroupBarrier();
  for (var stride = REDUCE / 2u; stride > 0u; stride /= 2u) {
    if (local_id.x < stride) {
      partial[local_id.x] += partial[local_id.x + stride];
      counted[local_id.x] += counted[local_id.x + stride];
    }
    workgroupBarrier();
  }
  if (local_id.x == 0u) {
    let inverse = select(0.0, 1.0 / counted[0], counted[0] > 0.0);
    share[0] = inverse;
    loss[0] = partial[0] * inverse;
  }
}

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let base = row * params.width;
  let goal = targets[row];
  let factor = select(dloss[0] * saved_share[0], 0.0, goal == params.ignored);
  let total = saved_lse[row];
  for (var k = local_id.x; k < params.width; k += WORKGROUP) {
    var gradient = factor * (exp(logits[base + k] - total) - select(0.0, 1.0, k == goal));
    if (params.accumulate != 0u) { gradient += dlogits[base + k]; }
    dlogits[base + k] = gradient;
  }
}
