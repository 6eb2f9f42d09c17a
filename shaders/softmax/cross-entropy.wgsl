// Cross-entropy of logits [rows, width], the rows from first_row on of all_rows, with class indices targets [all_rows]:
//   row_loss = log-sum-exp(logits) - logits[target], 0 where the target is `ignored`;
//   loss = sum of row_loss / number of rows that count (0 if none does).
//   d loss / d logit_j = (softmax_j - [j = target]) / number of rows that count.
//
// forward reads the logits once (online log-sum-exp, four elements a rescaling).
// Grids: LANES invocations share a row, groups1d(rows LANES, WORKGROUP); one lane a row needs no barrier (software
// adapters). count, reduce: one workgroup.

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
  ignored: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> row_loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> share: array<f32>;  // 1 / rows that count
@group(0) @binding(7) var<storage, read> saved_lse: array<f32>;
@group(0) @binding(8) var<storage, read> saved_share: array<f32>;
@group(0) @binding(9) var<storage, read> dloss: array<f32>;
@group(0) @binding(10) var<storage, read_write> dlogits: array<vec4<f32>>;
// Logits that become their gradients.
@group(0) @binding(11) var<storage, read_write> vectors: array<vec4<f32>>;

var<workgroup> scratch: array<vec2<f32>, WORKGROUP>;

fn row_of(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * (WORKGROUP / LANES) + local / LANES;
}

// @shared not-a-number
// Of an id that is out of range: not a number, which no one takes for a result. WGSL cannot write it but as bits.
fn not_a_number() -> f32 {
  var bits = 0x7fc00000u;
  return bitcast<f32>(bits);
}
// @end shared

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
  let first = local_row * params.width;
  let end = (first + params.width + 3u) / 4u;
  var part = vec2<f32>(LOWEST, 0.0);
  for (var i = first / 4u + local % LANES; i < end; i += LANES) {
    let counts = tokens_of(i, first) < vec4<u32>(params.width);
    let x = select(vec4<f32>(LOWEST), logits[i], counts);
    let top = max(max(max(x.x, x.y), max(x.z, x.w)), part.x);
    let e = exp(x - top);
    part = vec2<f32>(top, part.y * exp(part.x - top) + (e.x + e.y) + (e.z + e.w));
  }
  let total = log_sum_exp_of_row(local, part);
  if (own >= params.rows || local % LANES != 0u) { return; }
  let row = params.first_row + local_row;
  let goal = targets[row];
  let own_lse = select(total, not_a_number(), goal >= params.width && goal != params.ignored);
  lse[row] = own_lse;
  row_loss[row] = select(own_lse - logit(local_row, goal), 0.0, goal == params.ignored);
}

var<workgroup> partial: array<f32, REDUCE>;
var<workgroup> counted: array<f32, REDUCE>;

// The sums over all invocations of `loss_part` and `count_part`, in the first one.
fn sums(local: u32, loss_part: f32, count_part: f32) -> vec2<f32> {
  partial[local] = loss_part;
  counted[local] = count_part;
  workgroupBarrier();
  for (var stride = REDUCE / 2u; stride > 0u; stride /= 2u) {
    if (local < stride) {
      partial[local] += partial[local + stride];
      counted[local] += counted[local + stride];
    }
    workgroupBarrier();
  }
  return vec2<f32>(partial[0], counted[0]);
}

fn inverse_of(rows: f32) -> f32 {
  return select(0.0, 1.0 / rows, rows > 0.0);
}

@compute @workgroup_size(REDUCE)
fn reduce(@builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  var rows = 0.0;
  for (var row = local; row < params.all_rows; row += REDUCE) {
    sum += row_loss[row];
    rows += select(1.0, 0.0, targets[row] == params.ignored);
  }
  let all = sums(local, sum, rows);
  if (local == 0u) {
    share[0] = inverse_of(all.y);
    loss[0] = all.x * inverse_of(all.y);
  }
}

// The share alone, for gradients that are taken before all rows have been seen.
@compute @workgroup_size(REDUCE)
fn count(@builtin(local_invocation_index) local: u32) {
  var rows = 0.0;
  for (var row = local; row < params.all_rows; row += REDUCE) {
    rows += select(1.0, 0.0, targets[row] == params.ignored);
  }
  let all = sums(local, 0.0, rows);
  if (local == 0u) { share[0] = inverse_of(all.y); }
}

// What the gradient of a row is made of.
struct Slope { factor: f32, lse: f32, goal: u32 }

fn slope_of(row: u32) -> Slope {
  let goal = targets[row];
  // A factor, because exp(NaN) is a number on some drivers.
  let factor = select(dloss[0] * saved_share[0], not_a_number(), goal >= params.width);
  return Slope(select(factor, 0.0, goal == params.ignored), saved_lse[row], goal);
}

fn gradients(slope: Slope, x: vec4<f32>, token: vec4<u32>) -> vec4<f32> {
  let hit = select(vec4<f32>(0.0), vec4<f32>(1.0), token == vec4<u32>(slope.goal));
  return slope.factor * (exp(x - slope.lse) - hit);
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
    let slope = slope_of(row);
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
    let slope = slope_of(row);
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
