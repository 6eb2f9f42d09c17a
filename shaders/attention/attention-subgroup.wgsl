enable subgroups;
// The attention of attention.wgsl (same mathematics, shapes, parameters and bindings) for software adapters, where a load
// costs far more than arithmetic: a row of the walked side is loaded by one lane and passed to the others by shuffles.
//
// A workgroup is LANES lanes of one subgroup. Each lane owns ROWS rows of q (in backward_key_value of k and v) of one
// head; the workgroup walks the other side BLOCK = WALK LANES rows at a time, lane j loading every LANES-th from row j on. The
// owned rows are read, and those of the result rescaled, once a block (SUMS says where). Arrays are initialised in so many words: left out inside a loop, lavapipe
// keeps the values of the turn before.
// Grid: x = ceil(owned rows / (ROWS LANES)), y = H, z = B. All lanes stay active; rows past the end are loaded as the
// last row, count for nothing and are not stored.

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
  dq_offset: u32,
  dq_row: u32,
  dk_offset: u32,
  dv_offset: u32,
  dkv_row: u32,
  has_mask: u32,
  accumulate: u32,
}
// @end shared

const LANES: u32 = 8;
const ROWS: u32 = 2; // @tune 1 2 4
const WALK: u32 = 2; // @tune 1 2
const TILE: u32 = ROWS * LANES;
const BLOCK: u32 = WALK * LANES;

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

fn q_at(group: vec3<u32>, row: u32) -> u32 {
  return params.q_offset + group.z * params.q_batch + min(row, params.queries - 1u) * params.q_row
    + group.y * params.vectors;
}

fn k_at(group: vec3<u32>, row: u32) -> u32 {
  return params.k_offset + group.z * params.k_batch + min(row, params.keys - 1u) * params.k_row
    + group.y * params.vectors;
}

fn v_at(group: vec3<u32>, row: u32) -> u32 {
  return params.v_offset + group.z * params.v_batch + min(row, params.keys - 1u) * params.v_row
    + group.y * params.vectors;
}

/// Row of o or do.
fn o_at(group: vec3<u32>, row: u32) -> u32 {
  return ((group.z * params.queries + min(row, params.queries - 1u)) * params.heads + group.y) * params.vectors;
}

/// Element of the log-sum-exp in rows.
fn lse_at(group: vec3<u32>, row: u32) -> u32 {
  return (group.z * params.heads + group.y) * params.queries + min(row, params.queries - 1u);
}

fn delta_at(group: vec3<u32>, row: u32) -> u32 {
  return params.batches * params.heads * params.queries + lse_at(group, row);
}

/// 1 where a key exists and is not masked.
fn is_seen(batch: u32, key: u32) -> u32 {
  var seen = select(0u, 1u, key < params.keys);
  if (params.has_mask != 0u) {
    seen *= min(mask[batch * params.keys + min(key, params.keys - 1u)], 1u);
  }
  return seen;
}

@compute @workgroup_size(LANES)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
  // In units of log 2: exp2 is what the hardware has.
  let scale = params.scale * LOG2_E;
  let own = group.x * TILE + lane;
  var top: array<f32, ROWS>;
  var total = array<f32, ROWS>();
  var query: array<u32, ROWS>;
  var out: array<u32, ROWS>;
  for (var i = 0u; i < ROWS; i++) {
    top[i] = LOWEST;
    query[i] = q_at(group, own + i * LANES);
    out[i] = o_at(group, own + i * LANES);
  }
  var sums: array<vec4<f32>, max(ROWS * SUMS, 1u)>;
  for (var first = 0u; first < params.keys; first += BLOCK) {
    var key: array<u32, WALK>;
    var value: array<u32, WALK>;
    var seen: array<u32, WALK>;
    for (var w = 0u; w < WALK; w++) {
      key[w] = k_at(group, first + w * LANES + lane);
      value[w] = v_at(group, first + w * LANES + lane);
      seen[w] = is_seen(group.z, first + w * LANES + lane);
    }
    var score = array<f32, ROWS * BLOCK>();
    for (var d = 0u; d < params.vectors; d++) {
      var k4: array<vec4<f32>, WALK>;
      var q4: array<vec4<f32>, ROWS>;
      for (var w = 0u; w < WALK; w++) {
        k4[w] = vec4<f32>(k[key[w] + d]);
      }
      for (var i = 0u; i < ROWS; i++) {
        q4[i] = vec4<f32>(q[query[i] + d]);
      }
      for (var j = 0u; j < BLOCK; j++) {
        let other = subgroupShuffle(k4[j / LANES], j % LANES);
        for (var i = 0u; i < ROWS; i++) {
          score[i * BLOCK + j] += dot(q4[i], other);
        }
      }
    }
    for (var j = 0u; j < BLOCK; j++) {
      let counts = subgroupShuffle(seen[j / LANES], j % LANES) != 0u;
      for (var i = 0u; i < ROWS; i++) {
        score[i * BLOCK + j] = select(LOWEST, score[i * BLOCK + j] * scale, counts);
      }
    }
    // o is kept normalised: o <- (o total_old + sum_j exp(s_j - top) v_j) / total_new.
    var keep: array<f32, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
      var new_top = top[i];
      for (var j = 0u; j < BLOCK; j++) {
        new_top = max(new_top, score[i * BLOCK + j]);
      }
      let old_total = total[i] * exp2(top[i] - new_top);
      var new_total = old_total;
      for (var j = 0u; j < BLOCK; j++) {
        // Not exp2 alone: while no key has been seen, both score and top are LOWEST. Asked so that NaN stays NaN.
        let p = select(exp2(score[i * BLOCK + j] - new_top), 0.0, score[i * BLOCK + j] <= LOWEST);
        score[i * BLOCK + j] = p;
        new_total += p;
      }
      let inverse = select(0.0, 1.0 / new_total, new_total > 0.0);
      for (var j = 0u; j < BLOCK; j++) {
        score[i * BLOCK + j] *= inverse;
      }
      keep[i] = old_total * inverse;
      top[i] = new_top;
      total[i] = new_total;
    }
    for (var d = 0u; d < params.vectors; d++) {
      var v4: array<vec4<f32>, WALK>;
      for (var w = 0u; w < WALK; w++) {
        v4[w] = vec4<f32>(v[value[w] + d]);
      }
      var sum = array<vec4<f32>, ROWS>();
      for (var j = 0u; j < BLOCK; j++) {
        let other = subgroupShuffle(v4[j / LANES], j % LANES);
        for (var i = 0u; i < ROWS; i++) {
          sum[i] += score[i * BLOCK + j] * other;
        }
      }
      for (var i = 0u; i < ROWS; i++) {
        let stored = own + i * LANES < params.queries;
        if (SUMS > 0u) {
          if (first > 0u) {
            sum[i] += sums[i * SUMS + d] * keep[i];
          }
          sums[i * SUMS + d] = sum[i];
        } else if (stored && first > 0u) {
          sum[i] += vec4<f32>(o[out[i] + d]) * keep[i];
        }
        if (stored && (SUMS == 0u || first + BLOCK >= params.keys)) {
          o[out[i] + d] = vec4<Output>(sum[i]);
        }
      }
    }
  }
  for (var i = 0u; i < ROWS; i++) {
    if (own + i * LANES < params.queries) {
      rows[lse_at(group, own + i * LANES)] = select((top[i] + log2(total[i])) * LN_2, LOWEST, total[i] <= 0.0);
    }
  }
}

@group(0) @binding(5) var<storage, read> o_saved: array<vec4<Stored>>;
@group(0) @binding(7) var<storage, read> dout: array<vec4<f32>>;
/// dq, or dk and dv at their own offsets.
@group(0) @binding(8) var<storage, read_write> gradients: array<vec4<f32>>;

@compute @workgroup_size(LANES)
fn backward_query(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
  let scale = params.scale * LOG2_E;
  let own = group.x * TILE + lane;
  var lse: array<f32, ROWS>;
  var delta = array<f32, ROWS>();
  var query: array<u32, ROWS>;
  var out: array<u32, ROWS>;
  var target_row: array<u32, ROWS>;
  for (var i = 0u; i < ROWS; i++) {
    let row = own + i * LANES;
    query[i] = q_at(group, row);
    out[i] = o_at(group, row);
    lse[i] = rows[lse_at(group, row)] * LOG2_E;
    target_row[i] = params.dq_offset + (group.z * params.queries + row) * params.dq_row + group.y * params.vectors;
  }
  for (var d = 0u; d < params.vectors; d++) {
    for (var i = 0u; i < ROWS; i++) {
      delta[i] += dot(vec4<f32>(o_saved[out[i] + d]), dout[out[i] + d]);
    }
  }
  for (var i = 0u; i < ROWS; i++) {
    if (own + i * LANES < params.queries) {
      rows[delta_at(group, own + i * LANES)] = delta[i];
    }
  }
  for (var first = 0u; first < params.keys; first += BLOCK) {
    var key: array<u32, WALK>;
    var value: array<u32, WALK>;
    var seen: array<u32, WALK>;
    for (var w = 0u; w < WALK; w++) {
      key[w] = k_at(group, first + w * LANES + lane);
      value[w] = v_at(group, first + w * LANES + lane);
      seen[w] = is_seen(group.z, first + w * LANES + lane);
    }
    var score = array<f32, ROWS * BLOCK>(); // q.k, then ds
    var dp = array<f32, ROWS * BLOCK>();
    for (var d = 0u; d < params.vectors; d++) {
      var k4: array<vec4<f32>, WALK>;
      var v4: array<vec4<f32>, WALK>;
      var q4: array<vec4<f32>, ROWS>;
      var do4: array<vec4<f32>, ROWS>;
      for (var w = 0u; w < WALK; w++) {
        k4[w] = vec4<f32>(k[key[w] + d]);
        v4[w] = vec4<f32>(v[value[w] + d]);
      }
      for (var i = 0u; i < ROWS; i++) {
        q4[i] = vec4<f32>(q[query[i] + d]);
        do4[i] = dout[out[i] + d];
      }
      for (var j = 0u; j < BLOCK; j++) {
        let other_k = subgroupShuffle(k4[j / LANES], j % LANES);
        let other_v = subgroupShuffle(v4[j / LANES], j % LANES);
        for (var i = 0u; i < ROWS; i++) {
          score[i * BLOCK + j] += dot(q4[i], other_k);
          dp[i * BLOCK + j] += dot(do4[i], other_v);
        }
      }
    }
    for (var j = 0u; j < BLOCK; j++) {
      let counts = subgroupShuffle(seen[j / LANES], j % LANES) != 0u;
      for (var i = 0u; i < ROWS; i++) {
        let at = i * BLOCK + j;
        // An unseen key may have any score: exp2 of it could overflow, so it is not multiplied but replaced.
        let p = select(0.0, exp2(score[at] * scale - lse[i]), counts);
        score[at] = p * (dp[at] - delta[i]) * params.scale;
      }
    }
    let add = first > 0u || params.accumulate != 0u;
    for (var d = 0u; d < params.vectors; d++) {
      var k4: array<vec4<f32>, WALK>;
      for (var w = 0u; w < WALK; w++) {
        k4[w] = vec4<f32>(k[key[w] + d]);
      }
      var sum = array<vec4<f32>, ROWS>();
      for (var j = 0u; j < BLOCK; j++) {
        let other = subgroupShuffle(k4[j / LANES], j % LANES);
        for (var i = 0u; i < ROWS; i++) {
          sum[i] += score[i * BLOCK + j] * other;
        }
      }
      for (var i = 0u; i < ROWS; i++) {
        if (own + i * LANES < params.queries) {
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

@compute @workgroup_size(LANES)
fn backward_key_value(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
  let scale = params.scale * LOG2_E;
  let own = group.x * TILE + lane;
  var key: array<u32, ROWS>;
  var value: array<u32, ROWS>;
  var target_row: array<u32, ROWS>;
  var seen: array<u32, ROWS>;
  for (var i = 0u; i < ROWS; i++) {
    let row = own + i * LANES;
    key[i] = k_at(group, row);
    value[i] = v_at(group, row);
    seen[i] = is_seen(group.z, row);
    target_row[i] = (group.z * params.keys + row) * params.dkv_row + group.y * params.vectors;
  }
  for (var first = 0u; first < params.queries; first += BLOCK) {
    var query: array<u32, WALK>;
    var out: array<u32, WALK>;
    var exists: array<u32, WALK>;
    var lse: array<f32, WALK>;
    var delta: array<f32, WALK>;
    for (var w = 0u; w < WALK; w++) {
      let row = first + w * LANES + lane;
      query[w] = q_at(group, row);
      out[w] = o_at(group, row);
      exists[w] = select(0u, 1u, row < params.queries);
      lse[w] = rows_saved[lse_at(group, row)] * LOG2_E;
      delta[w] = rows_saved[delta_at(group, row)];
    }
    var p = array<f32, ROWS * BLOCK>(); // q.k, then exp(s - lse)
    var ds = array<f32, ROWS * BLOCK>(); // do.v, then ds
    for (var d = 0u; d < params.vectors; d++) {
      var q4: array<vec4<f32>, WALK>;
      var do4: array<vec4<f32>, WALK>;
      var k4: array<vec4<f32>, ROWS>;
      var v4: array<vec4<f32>, ROWS>;
      for (var w = 0u; w < WALK; w++) {
        q4[w] = vec4<f32>(q[query[w] + d]);
        do4[w] = dout[out[w] + d];
      }
      for (var i = 0u; i < ROWS; i++) {
        k4[i] = vec4<f32>(k[key[i] + d]);
        v4[i] = vec4<f32>(v[value[i] + d]);
      }
      for (var j = 0u; j < BLOCK; j++) {
        let other_q = subgroupShuffle(q4[j / LANES], j % LANES);
        let other_do = subgroupShuffle(do4[j / LANES], j % LANES);
        for (var i = 0u; i < ROWS; i++) {
          p[i * BLOCK + j] += dot(k4[i], other_q);
          ds[i * BLOCK + j] += dot(v4[i], other_do);
        }
      }
    }
    for (var j = 0u; j < BLOCK; j++) {
      let counts = subgroupShuffle(exists[j / LANES], j % LANES);
      let other_lse = subgroupShuffle(lse[j / LANES], j % LANES);
      let other_delta = subgroupShuffle(delta[j / LANES], j % LANES);
      for (var i = 0u; i < ROWS; i++) {
        let at = i * BLOCK + j;
        p[at] = select(0.0, exp2(p[at] * scale - other_lse), (counts & seen[i]) != 0u);
        ds[at] = p[at] * (ds[at] - other_delta) * params.scale;
      }
    }
    let add = first > 0u || params.accumulate != 0u;
    for (var d = 0u; d < params.vectors; d++) {
      var q4: array<vec4<f32>, WALK>;
      var do4: array<vec4<f32>, WALK>;
      for (var w = 0u; w < WALK; w++) {
        q4[w] = vec4<f32>(q[query[w] + d]);
        do4[w] = dout[out[w] + d];
      }
      var dk_sum = array<vec4<f32>, ROWS>();
      var dv_sum = array<vec4<f32>, ROWS>();
      for (var j = 0u; j < BLOCK; j++) {
        let other_q = subgroupShuffle(q4[j / LANES], j % LANES);
        let other_do = subgroupShuffle(do4[j / LANES], j % LANES);
        for (var i = 0u; i < ROWS; i++) {
          dk_sum[i] += ds[i * BLOCK + j] * other_q;
          dv_sum[i] += p[i * BLOCK + j] * other_do;
        }
      }
      for (var i = 0u; i < ROWS; i++) {
        if (own + i * LANES < params.keys) {
          let dk_at = params.dk_offset + target_row[i] + d;
          let dv_at = params.dv_offset + target_row[i] + d;
          if (add) {
            dk_sum[i] += gradients[dk_at];
            dv_sum[i] += gradients[dv_at];
          }
          gradients[dk_at] = dk_sum[i];
          gradients[dv_at] = dv_sum[i];
        }
      }
    }
  }
}
