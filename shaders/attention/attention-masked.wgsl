// Attention as in shaders/attention/attention.wgsl with a causal order, a mask and an additive bias over [B, H, T, S], and with heads
// of any width. No T x S matrix exists in memory, forward or backward, but for the gradient of a bias that has these axes.
//
//   s_tj = scale q_t.k_j + bias_tj      lse_t = log sum_j exp s_tj      p_tj = exp(s_tj - lse_t)      o_t = sum_j p_tj v_j
//   delta_t = o_t.do_t                  ds_tj = p_tj (do_t.v_j - delta_t)             dbias_tj = ds_tj
//   dq_t = scale sum_j ds_tj k_j        dk_j = scale sum_t ds_tj q_t                  dv_j = sum_t p_tj do_t
//
// The sums over j run over the keys that t sees: mask_tj is not 0, and with CAUSAL j <= t + shift, shift = S - T, so that the
// last query sees all keys. A query that sees no key has o = 0, lse = -1e30 and gives no gradient.
//
// Shapes: q [B, T, H, D], k and v [B, S, H, D], each read through an offset, a batch stride and a row stride; heads are D
// apart. o and do are dense [B, T, H, D], lse and delta [B, H, T] (the two halves of rows). mask and bias are read through
// four strides, 0 where they repeat. Offsets, strides and D ("width") of q, k, v and o count in Elements.
//
// One invocation owns QUERIES rows of q (in backward_key_value BACK_KEYS rows of k and v) of one head and walks the other side
// in blocks, from or to the causal edge: a causal pass walks half of them. No barrier. Each element is written by one
// invocation in a fixed order, so results repeat to the bit.
// Grids: forward, backward_query, backward_key_value: one-dimensional over (batch, head, block of owned rows), the block
// fastest; delta: groups1d(B H T, WORKGROUP); backward_bias: groups1d(elements of dbias, WORKGROUP).
// Arrays are initialised in so many words: left out inside a loop, lavapipe keeps the values of the turn before.
// @more

struct Params {
  mask_stride: vec4<u32>, // of batch, head, query, key
  bias_stride: vec4<u32>,
  batches: u32, // B
  queries: u32, // T
  keys: u32, // S
  heads: u32, // H
  width: u32, // D
  scale: f32,
  shift: i32, // S - T
  q_offset: u32,
  q_batch: u32,
  q_row: u32,
  k_offset: u32,
  k_batch: u32,
  k_row: u32,
  v_offset: u32,
  v_batch: u32,
  v_row: u32,
  dq_offset: u32,
  dq_row: u32,
  dk_offset: u32,
  dv_offset: u32,
  dkv_row: u32,
  mask_offset: u32,
  bias_offset: u32,
  dbias_batches: u32, // B, or 1 where the bias is the same for all
  dbias_heads: u32,
  accumulate: u32,
}

const WORKGROUP: u32 = 16; // @tune 8 16 32 64 128
const QUERIES: u32 = 4; // @tune 1 2 4 8
const KEYS: u32 = 4; // @tune 1 2 4 8 16
const TILE: u32 = QUERIES * KEYS;
const BACK_QUERIES: u32 = 2; // @tune 1 2 4
const BACK_KEYS: u32 = 2; // @tune 1 2 4
const BACK_TILE: u32 = BACK_QUERIES * BACK_KEYS;

// Whether a query sees no key behind its own place.
const CAUSAL: bool = false; // @variant
const HAS_MASK: bool = false; // @variant
const HAS_BIAS: bool = false; // @variant
// Four channels at a time where all widths, offsets and strides are multiples of four.
alias Element = vec4<f32>; // @variant vector=vec4<f32> scalar=f32
const VECTOR: bool = true; // @variant

const LOG2_E: f32 = 1.4426950408889634;
const LN_2: f32 = 0.6931471805599453;
/// Stands for minus infinity: finite, so that the difference of two of them is 0 and not NaN.
const LOWEST: f32 = -1e30;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<Element>;
@group(0) @binding(2) var<storage, read> k: array<Element>;
@group(0) @binding(3) var<storage, read> v: array<Element>;
@group(0) @binding(4) var<storage, read> mask: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> o: array<Element>;
/// [2, B, H, T]: the log-sum-exp of every query, then (from delta) its delta.
@group(0) @binding(7) var<storage, read_write> rows: array<f32>;

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
    + place.head * params.width;
}

fn k_at(place: Place, row: u32) -> u32 {
  return params.k_offset + place.batch * params.k_batch + min(row, params.keys - 1u) * params.k_row
    + place.head * params.width;
}

fn v_at(place: Place, row: u32) -> u32 {
  return params.v_offset + place.batch * params.v_batch + min(row, params.keys - 1u) * params.v_row
    + place.head * params.width;
}

/// Row of o or do.
fn o_at(place: Place, row: u32) -> u32 {
  return ((place.batch * params.queries + min(row, params.queries - 1u)) * params.heads + place.head) * params.width;
}

/// Element of the log-sum-exp in rows.
fn lse_at(place: Place, row: u32) -> u32 {
  return (place.batch * params.heads + place.head) * params.queries + min(row, params.queries - 1u);
}

fn delta_at(place: Place, row: u32) -> u32 {
  return params.batches * params.heads * params.queries + lse_at(place, row);
}

/// The dot product of two Elements.
fn inner(a: Element, b: Element) -> f32 {
  if (VECTOR) {
    return dot(vec4<f32>(a), vec4<f32>(b));
  }
  return vec4<f32>(a * b).x;
}

/// Whether the query sees the key; not if either is beyond the end.
fn is_seen(place: Place, query: u32, key: u32) -> bool {
  if (key >= params.keys || query >= params.queries) {
    return false;
  }
  if (CAUSAL && i32(key) > i32(query) + params.shift) {
    return false;
  }
  if (HAS_MASK) {
    let at = vec4<u32>(place.batch, place.head, query, key) * params.mask_stride;
    return mask[params.mask_offset + at.x + at.y + at.z + at.w] != 0u;
  }
  return true;
}

/// The bias in units of log 2; of rows beyond the end, that of the last.
fn bias_of(place: Place, query: u32, key: u32) -> f32 {
  if (HAS_BIAS) {
    let place_in_bias = vec4<u32>(place.batch, place.head, min(query, params.queries - 1u), min(key, params.keys - 1u));
    let at = place_in_bias * params.bias_stride;
    return bias[params.bias_offset + at.x + at.y + at.z + at.w] * LOG2_E;
  }
  return 0.0;
}

/// Keys to walk for queries up to `last`; at least one, so that what they own is written.
fn keys_until(last: u32) -> u32 {
  if (CAUSAL) {
    return u32(clamp(i32(last) + params.shift + 1, 1, i32(params.keys)));
  }
  return params.keys;
}

/// The first query that may see a key from `key` on; at most the last.
fn queries_from(key: u32) -> u32 {
  if (CAUSAL) {
    return u32(clamp(i32(key) - params.shift, 0, i32(params.queries) - 1));
  }
  return 0u;
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
  let end = keys_until(place.first + QUERIES - 1u);
  for (var first = 0u; first < end; first += KEYS) {
    var key: array<u32, KEYS>;
    for (var j = 0u; j < KEYS; j++) {
      key[j] = k_at(place, first + j);
    }
    var score = array<f32, TILE>();
    for (var d = 0u; d < params.width; d++) {
      var q_here: array<Element, QUERIES>;
      for (var i = 0u; i < QUERIES; i++) {
        q_here[i] = q[query[i] + d];
      }
      for (var j = 0u; j < KEYS; j++) {
        let k_here = k[key[j] + d];
        for (var i = 0u; i < QUERIES; i++) {
          score[i * KEYS + j] += inner(q_here[i], k_here);
        }
      }
    }
    for (var j = 0u; j < KEYS; j++) {
      for (var i = 0u; i < QUERIES; i++) {
        let s = score[i * KEYS + j] * scale + bias_of(place, place.first + i, first + j);
        score[i * KEYS + j] = select(LOWEST, s, is_seen(place, place.first + i, first + j));
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
    for (var d = 0u; d < params.width; d++) {
      var sum = array<Element, QUERIES>();
      if (first > 0u) {
        for (var i = 0u; i < QUERIES; i++) {
          sum[i] = o[out[i] + d] * keep[i];
        }
      }
      for (var j = 0u; j < KEYS; j++) {
        let v_here = v[key[j] + d];
        for (var i = 0u; i < QUERIES; i++) {
          sum[i] += score[i * KEYS + j] * v_here;
        }
      }
      for (var i = 0u; i < QUERIES; i++) {
        if (place.first + i < params.queries) {
          o[out[i] + d] = sum[i];
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

@group(0) @binding(1) var<storage, read> o_saved: array<Element>;
@group(0) @binding(2) var<storage, read> dout: array<Element>;

@compute @workgroup_size(WORKGROUP)
fn delta(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let place = place_of((group.y * groups.x + group.x) * WORKGROUP + local, params.queries, 1u);
  if (place.batch >= params.batches) {
    return;
  }
  let at = o_at(place, place.first);
  var sum = 0.0;
  for (var d = 0u; d < params.width; d++) {
    sum += inner(o_saved[at + d], dout[at + d]);
  }
  rows[delta_at(place, place.first)] = sum;
}

@group(0) @binding(6) var<storage, read> rows_saved: array<f32>;
@group(0) @binding(7) var<storage, read> dy: array<Element>;
/// dq, or dk and dv at their own offsets.
@group(0) @binding(8) var<storage, read_write> gradients: array<Element>;

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
  var delta_here: array<f32, BACK_QUERIES>;
  var query: array<u32, BACK_QUERIES>;
  var out: array<u32, BACK_QUERIES>;
  var target_row: array<u32, BACK_QUERIES>;
  for (var i = 0u; i < BACK_QUERIES; i++) {
    let row = place.first + i;
    query[i] = q_at(place, row);
    out[i] = o_at(place, row);
    lse[i] = rows_saved[lse_at(place, row)] * LOG2_E;
    delta_here[i] = rows_saved[delta_at(place, row)];
    target_row[i] = params.dq_offset + (place.batch * params.queries + row) * params.dq_row + place.head * params.width;
  }
  let end = keys_until(place.first + BACK_QUERIES - 1u);
  for (var first = 0u; first < end; first += BACK_KEYS) {
    var key: array<u32, BACK_KEYS>;
    var value: array<u32, BACK_KEYS>;
    for (var j = 0u; j < BACK_KEYS; j++) {
      key[j] = k_at(place, first + j);
      value[j] = v_at(place, first + j);
    }
    var score = array<f32, BACK_TILE>(); // q.k, then ds
    var dp = array<f32, BACK_TILE>();
    for (var d = 0u; d < params.width; d++) {
      var q_here: array<Element, BACK_QUERIES>;
      var dy_here: array<Element, BACK_QUERIES>;
      for (var i = 0u; i < BACK_QUERIES; i++) {
        q_here[i] = q[query[i] + d];
        dy_here[i] = dy[out[i] + d];
      }
      for (var j = 0u; j < BACK_KEYS; j++) {
        let k_here = k[key[j] + d];
        let v_here = v[value[j] + d];
        for (var i = 0u; i < BACK_QUERIES; i++) {
          score[i * BACK_KEYS + j] += inner(q_here[i], k_here);
          dp[i * BACK_KEYS + j] += inner(dy_here[i], v_here);
        }
      }
    }
    for (var j = 0u; j < BACK_KEYS; j++) {
      for (var i = 0u; i < BACK_QUERIES; i++) {
        let at = i * BACK_KEYS + j;
        let s = score[at] * scale + bias_of(place, place.first + i, first + j);
        // An unseen key may have any score: exp2 of it could overflow, so it is not multiplied but replaced.
        let p = select(0.0, exp2(s - lse[i]), is_seen(place, place.first + i, first + j));
        score[at] = p * (dp[at] - delta_here[i]) * params.scale;
      }
    }
    let add = first > 0u || params.accumulate != 0u;
    for (var d = 0u; d < params.width; d++) {
      var sum = array<Element, BACK_QUERIES>();
      for (var j = 0u; j < BACK_KEYS; j++) {
        let k_here = k[key[j] + d];
        for (var i = 0u; i < BACK_QUERIES; i++) {
          sum[i] += score[i * BACK_KEYS + j] * k_here;
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
  for (var j = 0u; j < BACK_KEYS; j++) {
    let row = place.first + j;
    key[j] = k_at(place, row);
    value[j] = v_at(place, row);
    target_row[j] = (place.batch * params.keys + row) * params.dkv_row + place.head * params.width;
  }
  let start = queries_from(place.first);
  for (var first = start; first < params.queries; first += BACK_QUERIES) {
    var query: array<u32, BACK_QUERIES>;
    var out: array<u32, BACK_QUERIES>;
    for (var i = 0u; i < BACK_QUERIES; i++) {
      query[i] = q_at(place, first + i);
      out[i] = o_at(place, first + i);
    }
    var p = array<f32, BACK_TILE>(); // q.k, then exp(s - lse)
    var ds = array<f32, BACK_TILE>(); // do.v, then ds
    for (var d = 0u; d < params.width; d++) {
      var q_here: array<Element, BACK_QUERIES>;
      var dy_here: array<Element, BACK_QUERIES>;
      for (var i = 0u; i < BACK_QUERIES; i++) {
        q_here[i] = q[query[i] + d];
        dy_here[i] = dy[out[i] + d];
      }
      for (var j = 0u; j < BACK_KEYS; j++) {
        let k_here = k[key[j] + d];
        let v_here = v[value[j] + d];
        for (var i = 0u; i < BACK_QUERIES; i++) {
          p[i * BACK_KEYS + j] += inner(q_here[i], k_here);
          ds[i * BACK_KEYS + j] += inner(dy_here[i], v_here);
        }
      }
    }
    for (var i = 0u; i < BACK_QUERIES; i++) {
      let lse = rows_saved[lse_at(place, first + i)] * LOG2_E;
      let delta_here = rows_saved[delta_at(place, first + i)];
      for (var j = 0u; j < BACK_KEYS; j++) {
        let at = i * BACK_KEYS + j;
        let s = p[at] * scale + bias_of(place, first + i, place.first + j);
        p[at] = select(0.0, exp2(s - lse), is_seen(place, first + i, place.first + j));
        ds[at] = p[at] * (ds[at] - delta_here) * params.scale;
      }
    }
    let add = first > start || params.accumulate != 0u;
    for (var d = 0u; d < params.width; d++) {
      var dk_sum = array<Element, BACK_KEYS>();
      var dv_sum = array<Element, BACK_KEYS>();
      for (var i = 0u; i < BACK_QUERIES; i++) {
        let q_here = q[query[i] + d];
        let dy_here = dy[out[i] + d];
        for (var j = 0u; j < BACK_KEYS; j++) {
          dk_sum[j] += ds[i * BACK_KEYS + j] * q_here;
          dv_sum[j] += p[i * BACK_KEYS + j] * dy_here;
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

/// [dbias_batches, dbias_heads, T, S]
@group(0) @binding(8) var<storage, read_write> dbias: array<f32>;

/// Each invocation computes one element: its score is computed again for every batch element and head that shares it.
@compute @workgroup_size(WORKGROUP)
fn backward_bias(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let key = index % params.keys;
  let query = index / params.keys % params.queries;
  let head = index / params.keys / params.queries % params.dbias_heads;
  let batch = index / params.keys / params.queries / params.dbias_heads;
  if (batch >= params.dbias_batches) {
    return;
  }
  var sum = 0.0;
  for (var b = batch; b < params.batches; b += params.dbias_batches) {
    for (var h = head; h < params.heads; h += params.dbias_heads) {
      let place = Place(b, h, query);
      if (!is_seen(place, query, key)) {
        continue;
      }
      let query_at = q_at(place, query);
      let key_at = k_at(place, key);
      let value_at = v_at(place, key);
      let out = o_at(place, query);
      var score = 0.0;
      var dp = 0.0;
      for (var d = 0u; d < params.width; d++) {
        score += inner(q[query_at + d], k[key_at + d]);
        dp += inner(dy[out + d], v[value_at + d]);
      }
      let s = score * params.scale * LOG2_E + bias_of(place, query, key);
      let p = exp2(s - rows_saved[lse_at(place, query)] * LOG2_E);
      sum += p * (dp - rows_saved[delta_at(place, query)]);
    }
  }
  if (params.accumulate != 0u) {
    sum += dbias[index];
  }
  dbias[index] = sum;
}
