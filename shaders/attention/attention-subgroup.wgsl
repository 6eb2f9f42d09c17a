enable subgroups;
// The attention of attention.wgsl (same mathematics, shapes, parameters and bindings) for software adapters, where a load
// costs far more than arithmetic: a row of the walked side is loaded by one lane and passed to the others by shuffles.
//
// A workgroup is LANES lanes of one subgroup. Each lane owns ROWS rows of q of one head; the workgroup walks the keys
// BLOCK = WALK LANES at a time, lane j loading every LANES-th from row j on. The owned rows are read, and those of the result
// rescaled, once a block (SUMS says where). Arrays are initialised in so many words: left out inside a loop, lavapipe keeps the
// values of the turn before.
// Gradients in one pass: a workgroup goes over all queries and adds to dq, and, with the weights turned so that a lane has those
// of its own keys, to dk and dv. Each element is written by one lane in a fixed order, so results repeat to the bit.
// Grids: y = H, z = B; x = ceil(T / (ROWS LANES)) forward, parts of the keys backward. All lanes stay active; rows past the end
// are loaded as the last row, count for nothing and are not stored.

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

const LANES: u32 = 8;
const ROWS: u32 = 2; // @tune 1 2 4
const WALK: u32 = 2; // @tune 1 2
const TILE: u32 = ROWS * LANES;
const BLOCK: u32 = WALK * LANES;

// Whether dq goes to one buffer with dk and dv.
const PACKED: bool = false; // @variant
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
/// [B, H, T]: the log-sum-exp of every query.
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

/// k and v, in one buffer: eight bindings are the most that each device has.
@group(0) @binding(2) var<storage, read> kv: array<vec4<Stored>>;
/// With several parts of the keys, the dq of each behind that of the part before.
@group(0) @binding(3) var<storage, read_write> dq: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> o_saved: array<vec4<Stored>>;
@group(0) @binding(6) var<storage, read> rows_saved: array<f32>;
@group(0) @binding(7) var<storage, read> dout: array<vec4<f32>>;
/// dk and dv at their own offsets, and dq where it is packed with them.
@group(0) @binding(8) var<storage, read_write> gradients: array<vec4<f32>>;

const WEIGHTS: u32 = ROWS * BLOCK;
alias Weights = array<f32, WEIGHTS>;

/// Between lanes whose numbers differ in the bit `step`: of two elements that differ in it, the one that belongs to the other lane.
fn exchange(weights: ptr<function, Weights>, lane: u32, step: u32) {
  let upper = (lane & step) != 0u;
  for (var a = 0u; a < WEIGHTS; a++) {
    if ((a & step) == 0u) {
      let b = a | step;
      let other = subgroupShuffleXor(select((*weights)[b], (*weights)[a], upper), step);
      (*weights)[a] = select((*weights)[a], other, upper);
      (*weights)[b] = select(other, (*weights)[b], upper);
    }
  }
}

/// Weights of a lane's own query and LANES keys become those of its own key and LANES queries.
fn turn(weights: ptr<function, Weights>, lane: u32) {
  exchange(weights, lane, 1u);
  exchange(weights, lane, 2u);
  exchange(weights, lane, 4u);
}

@compute @workgroup_size(LANES)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
  let scale = params.scale * LOG2_E;
  let start = group.x * params.part_keys;
  let end = min(start + params.part_keys, params.keys);
  let dq_start = group.x * params.batches * params.queries * params.dq_row + group.y * params.vectors;
  for (var tile = 0u; tile < params.queries; tile += TILE) {
    var top: array<f32, ROWS>;
    var delta = array<f32, ROWS>();
    var query: array<u32, ROWS>;
    var out: array<u32, ROWS>;
    var target_row: array<u32, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
      let row = tile + i * LANES + lane;
      query[i] = q_at(group, row);
      out[i] = o_at(group, row);
      target_row[i] = dq_start + (group.z * params.queries + row) * params.dq_row;
      // Queries past the end weigh nothing.
      top[i] = select(-LOWEST, rows_saved[lse_at(group, row)] * LOG2_E, row < params.queries);
    }
    for (var d = 0u; d < params.vectors; d++) {
      for (var i = 0u; i < ROWS; i++) {
        delta[i] += dot(vec4<f32>(o_saved[out[i] + d]), dout[out[i] + d]);
      }
    }
    for (var first = start; first < end; first += BLOCK) {
      var key: array<u32, WALK>;
      var value: array<u32, WALK>;
      var seen: array<u32, WALK>;
      var dkv: array<u32, WALK>;
      for (var w = 0u; w < WALK; w++) {
        let row = first + w * LANES + lane;
        key[w] = k_at(group, row);
        value[w] = v_at(group, row);
        seen[w] = is_seen(group.z, row);
        dkv[w] = (group.z * params.keys + row) * params.dkv_row + group.y * params.vectors;
      }
      var p = array<f32, ROWS * BLOCK>(); // q.k, then exp(s - lse)
      var ds = array<f32, ROWS * BLOCK>(); // do.v, then ds
      for (var d = 0u; d < params.vectors; d++) {
        var k4: array<vec4<f32>, WALK>;
        var v4: array<vec4<f32>, WALK>;
        var q4: array<vec4<f32>, ROWS>;
        var do4: array<vec4<f32>, ROWS>;
        for (var w = 0u; w < WALK; w++) {
          k4[w] = vec4<f32>(kv[key[w] + d]);
          v4[w] = vec4<f32>(kv[value[w] + d]);
        }
        for (var i = 0u; i < ROWS; i++) {
          q4[i] = vec4<f32>(q[query[i] + d]);
          do4[i] = dout[out[i] + d];
        }
        for (var j = 0u; j < BLOCK; j++) {
          let other_k = subgroupShuffle(k4[j / LANES], j % LANES);
          let other_v = subgroupShuffle(v4[j / LANES], j % LANES);
          for (var i = 0u; i < ROWS; i++) {
            p[i * BLOCK + j] += dot(q4[i], other_k);
            ds[i * BLOCK + j] += dot(do4[i], other_v);
          }
        }
      }
      for (var j = 0u; j < BLOCK; j++) {
        let counts = subgroupShuffle(seen[j / LANES], j % LANES) != 0u;
        for (var i = 0u; i < ROWS; i++) {
          let at = i * BLOCK + j;
          // An unseen key may have any score: exp2 of it could overflow, so it is not multiplied but replaced.
          p[at] = select(0.0, exp2(p[at] * scale - top[i]), counts);
          ds[at] = p[at] * (ds[at] - delta[i]) * params.scale;
        }
      }
      let add_dq = first > start || (params.accumulate & 1u) != 0u;
      for (var d = 0u; d < params.vectors; d++) {
        var k4: array<vec4<f32>, WALK>;
        for (var w = 0u; w < WALK; w++) {
          k4[w] = vec4<f32>(kv[key[w] + d]);
        }
        var sum = array<vec4<f32>, ROWS>();
        for (var j = 0u; j < BLOCK; j++) {
          let other = subgroupShuffle(k4[j / LANES], j % LANES);
          for (var i = 0u; i < ROWS; i++) {
            sum[i] += ds[i * BLOCK + j] * other;
          }
        }
        for (var i = 0u; i < ROWS; i++) {
          if (tile + i * LANES + lane < params.queries) {
            let at = target_row[i] + d;
            if (PACKED) {
              if (add_dq) {
                sum[i] += gradients[at];
              }
              gradients[at] = sum[i];
            } else {
              if (add_dq) {
                sum[i] += dq[at];
              }
              dq[at] = sum[i];
            }
          }
        }
      }
      turn(&p, lane);
      turn(&ds, lane);
      let add_dkv = tile > 0u || (params.accumulate & 2u) != 0u;
      for (var d = 0u; d < params.vectors; d++) {
        var q4: array<vec4<f32>, ROWS>;
        var do4: array<vec4<f32>, ROWS>;
        for (var i = 0u; i < ROWS; i++) {
          q4[i] = vec4<f32>(q[query[i] + d]);
          do4[i] = dout[out[i] + d];
        }
        var dk_sum = array<vec4<f32>, WALK>();
        var dv_sum = array<vec4<f32>, WALK>();
        for (var t = 0u; t < TILE; t++) {
          let other_q = subgroupShuffle(q4[t / LANES], t % LANES);
          let other_do = subgroupShuffle(do4[t / LANES], t % LANES);
          for (var w = 0u; w < WALK; w++) {
            let at = t / LANES * BLOCK + w * LANES + t % LANES;
            dk_sum[w] += ds[at] * other_q;
            dv_sum[w] += p[at] * other_do;
          }
        }
        for (var w = 0u; w < WALK; w++) {
          if (first + w * LANES + lane < params.keys) {
            let dk_at = params.dk_offset + dkv[w] + d;
            let dv_at = params.dv_offset + dkv[w] + d;
            if (add_dkv) {
              dk_sum[w] += gradients[dk_at];
              dv_sum[w] += gradients[dv_at];
            }
            gradients[dk_at] = dk_sum[w];
            gradients[dv_at] = dv_sum[w];
          }
        }
      }
    }
  }
}
