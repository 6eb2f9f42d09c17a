// Vector quantisation: the nearest code of each vector, and the codebook's running update (van den Oord et al. 2017,
// appendix A.1).
//
//   id[n] = argmin_k |z_n − e_k|², ties to the lowest k.  |z|² is the same for all k, so the search maximises
//           z·e − |e|²/2, tile by tile like a matrix product; no N × K matrix exists. z and e are taken from a point amid
//           the codes, as the differences of distances would vanish in the rounding of |e|² where codes lie far from 0
//           and near each other. distance[n] = |z_n − e_id|² is then worked out for the winner alone.
//   Sums of one batch, which several processes may add up: n_k = number of z_n with id k,  s_k = Σ_{id[n] = k} z_n
//   Update from them, decay γ:
//     N_k ← γ·N_k + (1 − γ)·n_k,  m_k ← γ·m_k + (1 − γ)·s_k,
//     e_k = m_k / ((N_k + ε)/(N + K·ε)·N),  N = Σ N_k   (Laplace smoothing; ε = 1e-5)
//   perplexity = exp(−Σ p_k·log p_k),  p_k = n_k / Σ n
//
// z [N, D], codes [K, D] with D in vec4s for the search, Elements elsewhere. The sum over the members of a code is taken
// in the order of n: repeatable without atomics.
//
// Grids: centre_codes, restart groups1d(K, WORKGROUP); nearest x = ceil(N/(ROWS·SEARCH_WORKGROUP)), y = code ranges;
//   finish groups1d(N, WORKGROUP); members groups1d(K, 1); update groups1d(K·columns, WORKGROUP); usage one workgroup.

alias Element = vec4<f32>; // @variant vector=vec4<f32> scalar=f32
const WORKGROUP: u32 = 64; // @tune 64 128 256
const SEARCH_WORKGROUP: u32 = 64; // @tune 32 64 128
const ROWS: u32 = 4; // @tune 1 2 4
const CODES: u32 = 4u;
const TEAM: u32 = 256u;
/** Lanes of `members`: each looks at 32 ids at a time, a bit for each. */
const MEMBERS: u32 = 64u;

struct Params {
  rows: u32,
  code_count: u32,
  /** Elements (in the search and in finish: vec4s) of a row. */
  columns: u32,
  ranges: u32,
  decay: f32,
  epsilon: f32,
  restart_after: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> vectors: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> codes: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> half_norm: array<f32>;
@group(0) @binding(4) var<storage, read_write> half_norm_out: array<f32>;
@group(0) @binding(5) var<storage, read_write> range_score: array<f32>;
@group(0) @binding(6) var<storage, read_write> range_id: array<u32>;
@group(0) @binding(7) var<storage, read> range_scores: array<f32>;
@group(0) @binding(8) var<storage, read> range_ids: array<u32>;
@group(0) @binding(9) var<storage, read_write> ids_out: array<u32>;
@group(0) @binding(10) var<storage, read_write> distance_out: array<f32>;
@group(0) @binding(11) var<storage, read> ids: array<u32>;
@group(0) @binding(12) var<storage, read_write> batch_count: array<f32>;
@group(0) @binding(13) var<storage, read_write> batch_sum: array<Element>;
@group(0) @binding(14) var<storage, read> batch_counts: array<f32>;
@group(0) @binding(15) var<storage, read_write> running_count: array<f32>;
@group(0) @binding(16) var<storage, read_write> idle: array<f32>;
@group(0) @binding(17) var<storage, read_write> usage_out: array<f32>;
@group(0) @binding(18) var<storage, read> usage_in: array<f32>;
@group(0) @binding(19) var<storage, read> running_counts: array<f32>;
@group(0) @binding(20) var<storage, read> batch_rows: array<Element>;
@group(0) @binding(21) var<storage, read_write> running_sum: array<Element>;
@group(0) @binding(22) var<storage, read_write> table_out: array<Element>;
@group(0) @binding(23) var<storage, read> batch_sums: array<Element>;
@group(0) @binding(25) var<storage, read> picks: array<u32>;
@group(0) @binding(27) var<storage, read> centre: array<vec4<f32>>;
@group(0) @binding(28) var<storage, read_write> centre_out: array<vec4<f32>>;
@group(0) @binding(29) var<storage, read_write> centred_out: array<vec4<f32>>;

var<workgroup> shared_sum: array<f32, TEAM>;
/** Which rows of a stretch of 32·MEMBERS chose the code. */
var<workgroup> shared_members: array<u32, MEMBERS>;

fn linear_index(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

/** Codes of which the middle is taken: it needs to be near the others only, so that few are enough. */
const SAMPLES: u32 = 16u;

/** The codes less the mean of SAMPLES of them, and half of their squared lengths. */
@compute @workgroup_size(WORKGROUP)
fn centre_codes(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let k = linear_index(group, groups, local);
  if (k >= params.code_count) {
    return;
  }
  var sum = 0.0;
  for (var d = 0u; d < params.columns; d++) {
    var middle = vec4<f32>(0.0);
    for (var i = 0u; i < SAMPLES; i++) {
      middle += codes[i * params.code_count / SAMPLES * params.columns + d];
    }
    middle /= f32(SAMPLES);
    let e = codes[k * params.columns + d] - middle;
    centred_out[k * params.columns + d] = e;
    if (k == 0u) {
      centre_out[d] = middle;
    }
    sum += dot(e, e);
  }
  half_norm_out[k] = 0.5 * sum;
}

/** Best code of one range of codes for ROWS vectors; codebook-subgroups.wgsl does the same with shared loads. */
@compute @workgroup_size(SEARCH_WORKGROUP)
fn nearest(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let row0 = (group.x * SEARCH_WORKGROUP + local) * ROWS;
  if (row0 >= params.rows) {
    return;
  }
  let share = (params.code_count + params.ranges - 1) / params.ranges;
  let first = group.y * share;
  let last = min(first + share, params.code_count);
  var row_at: array<u32, ROWS>;
  var best: array<f32, ROWS>;
  var best_id: array<u32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    row_at[r] = min(row0 + r, params.rows - 1) * params.columns;
    best[r] = -3.4e38;
    best_id[r] = first;
  }
  for (var k = first; k < last; k += CODES) {
    var code_at: array<u32, CODES>;
    for (var c = 0u; c < CODES; c++) {
      code_at[c] = min(k + c, last - 1) * params.columns;
    }
    // Set by hand: llvmpipe (Mesa 25.0.7) was seen to keep the values of the previous iteration.
    var score: array<f32, ROWS * CODES>;
    for (var i = 0u; i < ROWS * CODES; i++) {
      score[i] = 0.0;
    }
    for (var d = 0u; d < params.columns; d++) {
      var z: array<vec4<f32>, ROWS>;
      let middle = centre[d];
      for (var r = 0u; r < ROWS; r++) {
        z[r] = vectors[row_at[r] + d] - middle;
      }
      for (var c = 0u; c < CODES; c++) {
        let e = codes[code_at[c] + d];
        for (var r = 0u; r < ROWS; r++) {
          score[r * CODES + c] += dot(z[r], e);
        }
      }
    }
    for (var c = 0u; c < CODES; c++) {
      // A repeated last code scores the same and does not win against itself.
      let norm = half_norm[min(k + c, last - 1)];
      for (var r = 0u; r < ROWS; r++) {
        let s = score[r * CODES + c] - norm;
        if (s > best[r]) {
          best[r] = s;
          best_id[r] = k + c;
        }
      }
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < params.rows) {
      range_score[group.y * params.rows + row0 + r] = best[r];
      range_id[group.y * params.rows + row0 + r] = best_id[r];
    }
  }
}

/** Best of all ranges, lower ranges winning ties, and its exact distance. */
@compute @workgroup_size(WORKGROUP)
fn finish(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let n = linear_index(group, groups, local);
  if (n >= params.rows) {
    return;
  }
  var best = range_scores[n];
  var id = range_ids[n];
  for (var r = 1u; r < params.ranges; r++) {
    let s = range_scores[r * params.rows + n];
    if (s > best) {
      best = s;
      id = range_ids[r * params.rows + n];
    }
  }
  var sum = 0.0;
  for (var d = 0u; d < params.columns; d++) {
    let difference = vectors[n * params.columns + d] - codes[id * params.columns + d];
    sum += dot(difference, difference);
  }
  ids_out[n] = id;
  distance_out[n] = sum;
}

/** One workgroup a code, one lane an Element of its row: n_k and s_k. */
@compute @workgroup_size(MEMBERS)
fn members(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let k = group.y * groups.x + group.x;
  if (k >= params.code_count) {
    return;
  }
  for (var first = 0u; first < params.columns; first += MEMBERS) {
    let column = first + local;
    var count = 0u;
    var sum = Element(0.0);
    for (var start = 0u; start < params.rows; start += 32u * MEMBERS) {
      var chosen = 0u;
      let mine = start + 32u * local;
      for (var bit = 0u; bit < 32u && mine + bit < params.rows; bit++) {
        chosen |= select(0u, 1u << bit, ids[mine + bit] == k);
      }
      workgroupBarrier();
      shared_members[local] = chosen;
      workgroupBarrier();
      let words = min(MEMBERS, (params.rows - start + 31u) / 32u);
      for (var word = 0u; word < words; word++) {
        var left = shared_members[word];
        count += countOneBits(left);
        while (left != 0u && column < params.columns) {
          let n = start + 32u * word + firstTrailingBit(left);
          sum += batch_rows[n * params.columns + column];
          left &= left - 1u;
        }
      }
    }
    if (column < params.columns) {
      batch_sum[k * params.columns + column] = sum;
    }
    if (column == 0u) {
      batch_count[k] = f32(count);
    }
  }
}

fn team_sum(local: u32, value: f32) -> f32 {
  shared_sum[local] = value;
  workgroupBarrier();
  for (var step = TEAM / 2u; step > 0u; step /= 2u) {
    if (local < step) {
      shared_sum[local] += shared_sum[local + step];
    }
    workgroupBarrier();
  }
  let total = shared_sum[0];
  workgroupBarrier();
  return total;
}

/** N_k and the steps since the last use; usage = (Σ N_k, perplexity of the batch, codes used in the batch, rows). */
@compute @workgroup_size(TEAM)
fn usage(@builtin(local_invocation_index) local: u32) {
  var running = 0.0;
  var entropy = 0.0;
  var used = 0.0;
  for (var k = local; k < params.code_count; k += TEAM) {
    let count = batch_counts[k];
    let running_k = params.decay * running_count[k] + (1.0 - params.decay) * count;
    running_count[k] = running_k;
    running += running_k;
    idle[k] = select(0.0, idle[k] + 1.0, count == 0.0);
    if (count > 0.0) {
      let p = count / f32(params.rows);
      entropy -= p * log(p);
      used += 1.0;
    }
  }
  let running_total = team_sum(local, running);
  let entropy_total = team_sum(local, entropy);
  let used_total = team_sum(local, used);
  if (local == 0u) {
    usage_out[0] = running_total;
    usage_out[1] = exp(entropy_total);
    usage_out[2] = used_total;
    usage_out[3] = f32(params.rows);
  }
}

/** m_k and e_k from s_k. */
@compute @workgroup_size(WORKGROUP)
fn update(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = linear_index(group, groups, local);
  if (i >= params.code_count * params.columns) {
    return;
  }
  let k = i / params.columns;
  let running = params.decay * running_sum[i] + (1.0 - params.decay) * batch_sums[i];
  running_sum[i] = running;
  let total = usage_in[0];
  let smoothed =
    (running_counts[k] + params.epsilon) / (total + f32(params.code_count) * params.epsilon) * total;
  table_out[i] = running / smoothed;
}

/** Codes idle for restart_after updates become the rows picked for them, as if seen once. */
@compute @workgroup_size(WORKGROUP)
fn restart(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let k = linear_index(group, groups, local);
  if (k >= params.code_count || idle[k] < params.restart_after) {
    return;
  }
  let row = picks[k] % params.rows;
  for (var d = 0u; d < params.columns; d++) {
    let e = batch_rows[row * params.columns + d];
    table_out[k * params.columns + d] = e;
    running_sum[k * params.columns + d] = e;
  }
  running_count[k] = 1.0;
  idle[k] = 0.0;
}
