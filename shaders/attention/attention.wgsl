// Scaled dot-product attention with an online softmax: no T x S matrix ever exists in memory, forward or backward.
//
//   s_tj = scale q_t.k_j        lse_t = log sum_j exp s_tj        p_tj = exp(s_tj - lse_t)        o_t = sum_j p_tj v_j
//   delta_t = o_t.do_t          ds_tj = p_tj (do_t.v_j - delta_t)
//   dq_t = scale sum_j ds_tj k_j        dk_j = scale sum_t ds_tj q_t        dv_j = sum_t p_tj do_t
//
// Shapes: q [B, T, H, D], k and v [B, S, H, D], each read through an offset, a batch stride and a row stride, so that
// they may lie side by side in one packed projection; heads are D apart. o and do are dense [B, T, H, D], lse and
// delta [B, H, T] (the two halves of rows), mask [B, S] (1 = the key is seen). Offsets, strides and D ("vectors") count in vec4.
// A query that sees no key has o = 0, lse = -1e30 and gives no gradient.
//
// One invocation owns QUERIES rows of q (in backward_key_value BACK_KEYS rows of k and v) of one head and walks the
// other side in blocks. The block of scores lives in registers, so a loaded vector is used several times; the owned
// rows of the result are rescaled once a block (SUMS says where). Nothing is shared between invocations: no barrier.
// Grid: one-dimensional over (batch, head, block of owned rows), the block fastest.
// Arrays are initialised in so many words: left out inside a loop, lavapipe keeps the values of the turn before.
// Gradients: backward_query walks the keys (and leaves delta), then backward_key_value walks the queries. Each
// element is written by one invocation in a fixed order, so results repeat to the bit.

// @shared attention-params
struct Params {
  batches: u32, // B
  queries: u32, // T
  keys: u32, // S
  heads: u32, // H
  vectors: u32, // D / 4
  scale: f32,
  q_offset: u32,
  q_batch: u32,
  q_row: u32,
  k_offset: u32,
  k_batch: u32,
  k_row: u32,
  v_offset: u32,
  v_batch: u32,
  v_row: u32,
  dq_row: u32,
  dk_offset: u32,
  dv_offset: u32,
  dkv_row: u32,
  has_mask: u32,
  accumulate: u32, // in one pass 1 to dq and 2 to dk and dv
  part_keys: u32, // keys of a workgroup, for gradients in one pass
}
// @end shared

const WORKGROUP: u32 = 16; // @tune 8 16 32 64 128
const QUERIES: u32 = 4; // @tune 1 2 4 8
const KEYS: u32 = 4; // @tune 1 2 4 8 16
const TILE: u32 = QUERIES * KEYS;
const BACK_QUERIES: u32 = 2; // @tune 1 2 4
const BACK_KEYS: u32 = 2; // @tune 1 2 4
const BACK_TILE: u32 = BACK_QUERIES * BACK_KEYS;

// Element types of q, k, v and the saved o, and of the o that forward writes. All other numbers are float32.
alias Stored = f32; // @variant f32=f32 f16=f16
alias Output = f32; // @variant f32=f32 f16=f16
/// Where the sums of o are while the keys are walked: in o itself, if that is float32; else, as it would be rounded once a
/// block, in an array of each invocation's own, of this many vec4 a row, at least D / 4.
const SUMS: u32 = 0; // @variant o=0 8=8 16=16 32=32

// @shared attention-numbers
const LOG2_E: f32 = 1.4426950408889634;
const LN_2: f32 = 0.6931471805599453;
/// Stands for minus infinity: finite, so that the difference of two of them is 0 and not NaN.
const LOWEST: f32 = -1e30;
// @end shared

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<Stored>>;
@group(0) @binding(2) var<storage, read> k: array<vec4<Stored>>;
@group(0) @binding(3) var<storage, read> v: array<vec4<Stored>>;
@group(0) @binding(4) var<storage, read> mask: array<u32>;
@group(0) @binding(5) var<storage, read_write> o: array<vec4<Output>>;
/// [2, B, H, T]: the log-sum-exp of every query, then (from backward_query) its delta.
@group(0) @binding(6) var<storage, read_write> rows: array<f32>;

/// The block of rows that an invocation owns.
struct Place {
  batch: u32,
  head: u32,
  first: u32,
}

fn place_of(index: u32, count: u32, owned: u32) -> Place {
  let blocks = (count - 1u) / owned + 1u;
  let batch_head = index / blocks;
  return Place(batch_head / params.heads, batch_head % params.heads, (index % blocks) * owned);
}

fn q_at(place: Place, row: u32) -> u32 {
  return params.q_offset + place.batch * params.q_batch + min(row, params.queries - 1u) * params.q_row
    + place.head * params.vectors;
}

fn k_at(place: Place, row: u32) -> u32 {
  return params.k_offset + place.batch * params.k_batch + min(row, params.keys - 1u) * params.k_row
    + place.head * params.vectors;
}

fn v_at(place: Place, row: u32) -> u32 {
  return params.v_offset + place.batch * params.v_batch + min(row, params.keys - 1u) * params.v_row
    + place.head * params.vectors;
}

/// Row of o or do.
fn o_at(place: Place, row: u32) -> u32 {
  return ((place.batch * params.queries + min(row, params.queries - 1u)) * params.heads + place.head) * params.vectors;
}

/// Element of the log-sum-exp in rows.
fn lse_at(place: Place, row: u32) -> u32 {
  return (place.batch * params.heads + place.head) * params.queries + min(row, params.queries - 1u);
}

fn delta_at(place: Place, row: u32) -> u32 {
  return params.batches * params.heads * params.queries + lse_at(place, row);
}

fn is_seen(batch: u32, key: u32) -> bool {
  if (key >= params.keys) {
    return false;
  }
  if (params.has_mask == 0u) {
    return true;
  }
  return mask[batch * params.keys + key] != 0u;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let place = place_of((group.y * groups.x + group.x) * WORKGROUP + local, params.queries, QUERIES);
  if (place.batch >= params.batches) {
    return;
  }
  // In units of log 2: exp2 is what the hardware has.
  let scale = params.scale * LOG2_E;
  var top: array<f32, QUERIES>;
  var total: array<f32, QUERIES>;
  var query: array<u32, QUERIES>;
  var out: array<u32, QUERIES>;
  for (var i = 0u; i < QUERIES; i++) {
    top[i] = LOWEST;
    total[i] = 0.0;
    query[i] = q_at(place, place.first + i);
    out[i] = o_at(place, place.first + i);
  }
  var sums: array<vec4<f32>, max(QUERIES * SUMS, 1u)>;
  for (var first = 0u; first < params.keys; first += KEYS) {
    var key: array<u32, KEYS>;
    for (var j = 0u; j < KEYS; j++) {
      key[j] = k_at(place, first + j);
    }
    var score = array<f32, TILE>();
    for (var d = 0u; d < params.vectors; d++) {
      var q4: array<vec4<f32>, QUERIES>;
      for (var i = 0u; i < QUERIES; i++) {
        q4[i] = vec4<f32>(q[query[i] + d]);
      }
      for (var j = 0u; j < KEYS; j++) {
        let k4 = vec4<f32>(k[key[j] + d]);
        for (var i = 0u; i < QUERIES; i++) {
          score[i * KEYS + j] += dot(q4[i], k4);
        }
      }
    }
    for (var j = 0u; j < KEYS; j++) {
      let seen = is_seen(place.batch, first + j);
      for (var i = 0u; i < QUERIES; i++) {
        score[i * KEYS + j] = select(LOWEST, score[i * KEYS + j] * scale, seen);
      }
      key[j] = v_at(place, first + j);
    }
    // o is kept normalised: o <- (o total_old + sum_j exp(s_j - top) v_j) / total_new.
    var keep: array<f32, QUERIES>;
    for (var i = 0u; i < QUERIES; i++) {
      var new_top = top[i];
      for (var j = 0u; j < KEYS; j++) {
        new_top = max(new_top, score[i * KEYS + j]);
      }
      let old_total = total[i] * exp2(top[i] - new_top);
      var new_total = old_total;
      for (var j = 0u; j < KEYS; j++) {
        // Not exp2 alone: while no key has been seen, both score and top are LOWEST. Asked so that NaN stays NaN.
        let p = select(exp2(score[i * KEYS + j] - new_top), 0.0, score[i * KEYS + j] <= LOWEST);
        score[i * KEYS + j] = p;
        new_total += p;
      }
      let inverse = select(0.0, 1.0 / new_total, new_total > 0.0);
      for (var j = 0u; j < KEYS; j++) {
        score[i * KEYS + j] *= inverse;
      }
      keep[i] = old_total * inverse;
      top[i] = new_top;
      total[i] = new_total;
    }
    for (var d = 0u; d < params.vectors; d++) {
      var sum = array<vec4<f32>, QUERIES>();
      if (first > 0u) {
        for (var i = 0u; i < QUERIES; i++) {
          if (SUMS > 0u) {
            sum[i] = sums[i * SUMS + d] * keep[i];
          } else {
            sum[i] = vec4<f32>(o[out[i] + d]) * keep[i];
          }
        }
      }
      for (var j = 0u; j < KEYS; j++) {
        let v4 = vec4<f32>(v[key[j] + d]);
        for (var i = 0u; i < QUERIES; i++) {
          sum[i] += score[i * KEYS + j] * v4;
        }
      }
      for (var i = 0u; i < QUERIES; i++) {
        if (SUMS > 0u) {
          sums[i * SUMS + d] = sum[i];
        }
        let done = SUMS == 0u || first + KEYS >= params.keys;
        if (done && place.first + i < params.queries) {
          o[out[i] + d] = vec4<Output>(sum[i]);
        }
      }
    }
  }
  for (var i = 0u; i < QUERIES; i++) {
    if (place.first + i < params.queries) {
      rows[lse_at(place, place.first + i)] = select((top[i] + log2(total[i])) * LN_2, LOWEST, total[i] <= 0.0);
    }
  }
}


@group(0) @binding(5) var<storage, read> o_saved: array<vec4<Stored>>;
@group(0) @binding(7) var<storage, read> dout: array<vec4<f32>>;
/// dq, or dk and dv at their own offsets.
@group(0) @binding(8) var<storage, read_write> gradients: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn backward_query(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let place = place_of((group.y * groups.x + group.x) * WORKGROUP + local, params.queries, BACK_QUERIES);
  if (place.batch >= params.batches) {
    return;
  }
  let scale = params.scale * LOG2_E;
  var lse: array<f32, BACK_QUERIES>;
  var delta = array<f32, BACK_QUERIES>();
  var query: array<u32, BACK_QUERIES>;
  var out: array<u32, BACK_QUERIES>;
  var target_row: array<u32, BACK_QUERIES>;
  for (var i = 0u; i < BACK_QUERIES; i++) {
    let row = place.first + i;
    query[i] = q_at(place, row);
    out[i] = o_at(place, row);
    lse[i] = rows[lse_at(place, row)] * LOG2_E;
    target_row[i] = (place.batch * params.queries + row) * params.dq_row + place.head * params.vectors;
  }
  for (var d = 0u; d < params.vectors; d++) {
    for (var i = 0u; i < BACK_QUERIES; i++) {
      delta[i] += dot(vec4<f32>(o_saved[out[i] + d]), dout[out[i] + d]);
    }
  }
  for (var i = 0u; i < BACK_QUERIES; i++) {
    if (place.first + i < params.queries) {
      rows[delta_at(place, place.first + i)] = delta[i];
    }
  }
  for (var first = 0u; first < params.keys; first += BACK_KEYS) {
    var key: array<u32, BACK_KEYS>;
    var value: array<u32, BACK_KEYS>;
    for (var j = 0u; j < BACK_KEYS; j++) {
      key[j] = k_at(place, first + j);
      value[j] = v_at(place, first + j);
    }
    var score = array<f32, BACK_TILE>(); // q.k, then ds
    var dp = array<f32, BACK_TILE>();
    for (var d = 0u; d < params.vectors; d++) {
      var q4: array<vec4<f32>, BACK_QUERIES>;
      var do4: array<vec4<f32>, BACK_QUERIES>;
      for (var i = 0u; i < BACK_QUERIES; i++) {
        q4[i] = vec4<f32>(q[query[i] + d]);
        do4[i] = dout[out[i] + d];
      }
      for (var j = 0u; j < BACK_KEYS; j++) {
        let k4 = vec4<f32>(k[key[j] + d]);
        let v4 = vec4<f32>(v[value[j] + d]);
        for (var i = 0u; i < BACK_QUERIES; i++) {
          score[i * BACK_KEYS + j] += dot(q4[i], k4);
          dp[i * BACK_KEYS + j] += dot(do4[i], v4);
        }
      }
    }
    for (var j = 0u; j < BACK_KEYS; j++) {
      let seen = is_seen(place.batch, first + j);
      for (var i = 0u; i < BACK_QUERIES; i++) {
        let at = i * BACK_KEYS + j;
        // An unseen key may have any score: exp2 of it could overflow, so it is not multiplied but replaced.
        let p = select(0.0, exp2(score[at] * scale - lse[i]), seen);
        score[at] = p * (dp[at] - delta[i]) * params.scale;
      }
    }
    let add = first > 0u || params.accumulate != 0u;
    for (var d = 0u; d < params.vectors; d++) {
      var sum = array<vec4<f32>, BACK_QUERIES>();
      for (var j = 0u; j < BACK_KEYS; j++) {
        let k4 = vec4<f32>(k[key[j] + d]);
        for (var i = 0u; i < BACK_QUERIES; i++) {
          sum[i] += score[i * BACK_KEYS + j] * k4;
        }
      }
      for (var i = 0u; i < BACK_QUERIES; i++) {
        if (place.first + i < params.queries) {
          let at = target_row[i] + d;
          if (add) {
            sum[i] += gradients[at];
          }
          gradients[at] = sum[i];
        }
      }
    }
  }
}

@group(0) @binding(5) var<storage, read> rows_saved: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_key_value(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let place = place_of((group.y * groups.x + group.x) * WORKGROUP + local, params.keys, BACK_KEYS);
  if (place.batch >= params.batches) {
    return;
  }
  let scale = params.scale * LOG2_E;
  var key: array<u32, BACK_KEYS>;
  var value: array<u32, BACK_KEYS>;
  var target_row: array<u32, BACK_KEYS>;
  var seen: array<bool, BACK_KEYS>;
  for (var j = 0u; j < BACK_KEYS; j++) {
    let row = place.first + j;
    key[j] = k_at(place, row);
    value[j] = v_at(place, row);
    seen[j] = is_seen(place.batch, row);
    target_row[j] = (place.batch * params.keys + row) * params.dkv_row + place.head * params.vectors;
  }
  for (var first = 0u; first < params.queries; first += BACK_QUERIES) {
    var query: array<u32, BACK_QUERIES>;
    var out: array<u32, BACK_QUERIES>;
    for (var i = 0u; i < BACK_QUERIES; i++) {
      query[i] = q_at(place, first + i);
      out[i] = o_at(place, first + i);
    }
    var p = array<f32, BACK_TILE>(); // q.k, then exp(s - lse)
    var ds = array<f32, BACK_TILE>(); // do.v, then ds
    for (var d = 0u; d < params.vectors; d++) {
      var q4: array<vec4<f32>, BACK_QUERIES>;
      var do4: array<vec4<f32>, BACK_QUERIES>;
      for (var i = 0u; i < BACK_QUERIES; i++) {
        q4[i] = vec4<f32>(q[query[i] + d]);
        do4[i] = dout[out[i] + d];
      }
      for (var j = 0u; j < BACK_KEYS; j++) {
        let k4 = vec4<f32>(k[key[j] + d]);
        let v4 = vec4<f32>(v[value[j] + d]);
        for (var i = 0u; i < BACK_QUERIES; i++) {
          p[i * BACK_KEYS + j] += dot(q4[i], k4);
          ds[i * BACK_KEYS + j] += dot(do4[i], v4);
        }
      }
    }
    for (var i = 0u; i < BACK_QUERIES; i++) {
      let exists = first + i < params.queries;
      let lse = rows_saved[lse_at(place, first + i)] * LOG2_E;
      let delta = rows_saved[delta_at(place, first + i)];
      for (var j = 0u; j < BACK_KEYS; j++) {
        let at = i * BACK_KEYS + j;
        p[at] = select(0.0, exp2(p[at] * scale - lse), exists && seen[j]);
        ds[at] = p[at] * (ds[at] - delta) * params.scale;
      }
    }
    let add = first > 0u || params.accumulate != 0u;
    for (var d = 0u; d < params.vectors; d++) {
      var dk_sum = array<vec4<f32>, BACK_KEYS>();
      var dv_sum = array<vec4<f32>, BACK_KEYS>();
      for (var i = 0u; i < BACK_QUERIES; i++) {
        let q4 = vec4<f32>(q[query[i] + d]);
        let do4 = dout[out[i] + d];
        for (var j = 0u; j < BACK_KEYS; j++) {
          dk_sum[j] += ds[i * BACK_KEYS + j] * q4;
          dv_sum[j] += p[i * BACK_KEYS + j] * do4;
        }
      }
      for (var j = 0u; j < BACK_KEYS; j++) {
        if (place.first + j < params.keys) {
          let dk_at = params.dk_offset + target_row[j] + d;
          let dv_at = params.dv_offset + target_row[j] + d;
          if (add) {
            dk_sum[j] += gradients[dk_at];
            dv_sum[j] += gradients[dv_at];
          }
          gradients[dk_at] = dk_sum[j];
          gradients[dv_at] = dv_sum[j];
        }
      }
    }
  }
}

@group(0) @binding(5) var<storage, read_write> weights: array<f32>;

/// weights [B, H, T, S] = p, one invocation an element; for inspection.
@compute @workgroup_size(WORKGROUP)
fn weight_map(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let key = index % params.keys;
  let place = place_of(index / params.keys, params.queries, 1u);
  if (place.batch >= params.batches) {
    return;
  }
  weights[index] = weight_of(place, key);
}

/// weights [B, T, S] = the mean of p over the heads.
@compute @workgroup_size(WORKGROUP)
fn weight_map_mean(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let key = index % params.keys;
  let row = index / params.keys;
  let batch = row / params.queries;
  if (batch >= params.batches) {
    return;
  }
  var sum = 0.0;
  for (var head = 0u; head < params.heads; head++) {
    sum += weight_of(Place(batch, head, row % params.queries), key);
  }
  weights[index] = sum / f32(params.heads);
}

@group(0) @binding(6) var<storage, read> lse_given: array<f32>;

fn weight_of(place: Place, key: u32) -> f32 {
  if (!is_seen(place.batch, key)) {
    return 0.0;
  }
  var score = 0.0;
  for (var d = 0u; d < params.vectors; d++) {
    score += dot(vec4<f32>(q[q_at(place, place.first) + d]), vec4<f32>(k[k_at(place, key) + d]));
  }
  return exp(score * params.scale - lse_given[lse_at(place, place.first)]);
}
