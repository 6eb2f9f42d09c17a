// Cross-entropy of logits x [rows, width] with smoothed targets: 1 - ε for the row's target, and ε spread over all classes
// (Szegedy et al. 2016).
//
//   row_loss = log-sum-exp(x) - (1 - ε) x[target] - ε mean(x), 0 where the target is `ignored`
//   loss = sum of row_loss / number of rows that count (0 if none does)
//   d loss / d x_j = (softmax_j - (1 - ε) [j = target] - ε / width) / number of rows that count
//
// A target of `width` or more makes the row not a number.
// Grids: LANES invocations share a row, groups1d(rows LANES, WORKGROUP); one lane a row needs no barrier (software adapters).
// reduce: one workgroup.
// @more

const WORKGROUP: u32 = 64; // @tune 8 16 32 64 128 256
const LANES: u32 = 32; // @tune 1 8 16 32 64
const REDUCE: u32 = 256;
const LOWEST: f32 = -3.0e38;

struct Params {
  rows: u32,
  width: u32,
  ignored: u32,
  smoothing: f32, // ε
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> row_loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;

// @shared not-a-number
// Of an id that is out of range: not a number, which no one takes for a result. WGSL cannot write it but as bits.
fn not_a_number() -> f32 {
  var bits = 0x7fc00000u;
  return bitcast<f32>(bits);
}
// @end shared

var<workgroup> scratch: array<vec3<f32>, WORKGROUP>;

/// Of parts of a row, (top, sum of exp(x - top), sum of x): those of the whole.
fn joined(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
  let top = max(a.x, b.x);
  return vec3<f32>(top, a.y * exp(a.x - top) + b.y * exp(b.x - top), a.z + b.z);
}

/// That of a row from those of its lanes, in every lane.
fn of_row(local: u32, part: vec3<f32>) -> vec3<f32> {
  if (LANES == 1u) {
    return part;
  }
  scratch[local] = part;
  workgroupBarrier();
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    if (local % LANES < step) {
      scratch[local] = joined(scratch[local], scratch[local + step]);
    }
    workgroupBarrier();
  }
  return scratch[local - local % LANES];
}

fn row_of(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * (WORKGROUP / LANES) + local / LANES;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let own = row_of(group, groups, local);
  let row = min(own, params.rows - 1u);
  let first = row * params.width;
  var part = vec3<f32>(LOWEST, 0.0, 0.0);
  for (var j = local % LANES; j < params.width; j += LANES) {
    let x = logits[first + j];
    part = joined(part, vec3<f32>(x, 1.0, x));
  }
  let all = of_row(local, part);
  if (own >= params.rows || local % LANES != 0u) {
    return;
  }
  let goal = targets[row];
  let total = all.x + log(all.y);
  let own_lse = select(total, not_a_number(), goal >= params.width && goal != params.ignored);
  let hit = logits[first + min(goal, params.width - 1u)];
  let own_loss = own_lse - (1.0 - params.smoothing) * hit - params.smoothing / f32(params.width) * all.z;
  lse[row] = own_lse;
  row_loss[row] = select(own_loss, 0.0, goal == params.ignored);
}

@group(0) @binding(1) var<storage, read> row_losses: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
/// 1 / rows that count
@group(0) @binding(4) var<storage, read_write> share: array<f32>;

var<workgroup> sums: array<vec2<f32>, REDUCE>;

@compute @workgroup_size(REDUCE)
fn reduce(@builtin(local_invocation_index) local: u32) {
  var sum = vec2<f32>(0.0);
  for (var row = local; row < params.rows; row += REDUCE) {
    sum += vec2<f32>(row_losses[row], select(1.0, 0.0, targets[row] == params.ignored));
  }
  sums[local] = sum;
  workgroupBarrier();
  for (var stride = REDUCE / 2u; stride > 0u; stride /= 2u) {
    if (local < stride) {
      sums[local] += sums[local + stride];
    }
    workgroupBarrier();
  }
  if (local == 0u) {
    let inverse = select(0.0, 1.0 / sums[0].y, sums[0].y > 0.0);
    share[0] = inverse;
    loss[0] = sums[0].x * inverse;
  }
}

@group(0) @binding(3) var<storage, read> saved_lse: array<f32>;
@group(0) @binding(4) var<storage, read> saved_share: array<f32>;
@group(0) @binding(5) var<storage, read> dloss: array<f32>;
@group(0) @binding(6) var<storage, read_write> dlogits: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = row_of(group, groups, local);
  if (row >= params.rows) {
    return;
  }
  let goal = targets[row];
  // A factor, because exp(NaN) is a number on some drivers.
  let known = select(dloss[0] * saved_share[0], not_a_number(), goal >= params.width);
  let factor = select(known, 0.0, goal == params.ignored);
  for (var j = local % LANES; j < params.width; j += LANES) {
    let i = row * params.width + j;
    let goal_share = select(0.0, 1.0 - params.smoothing, j == goal) + params.smoothing / f32(params.width);
    var dx = factor * (exp(logits[i] - saved_lse[row]) - goal_share);
    if (params.accumulate != 0u) {
      dx += dlogits[i];
    }
    dlogits[i] = dx;
  }
}
