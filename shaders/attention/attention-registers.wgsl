enable subgroups;
// The attention of attention.wgsl (same mathematics, shapes, parameters and bindings) for software adapters with subgroups of
// four lanes: arrays and workgroup memory cost such an adapter more than they save, so everything is in 4 × 4 matrices, which
// it keeps in registers, and what neighbours have loaded is had from them, which costs next to nothing.
//
// An invocation owns four rows of q of one head; four of them, 16 in a row, walk the keys 16 at a time, of which each loads four
// for the scores. One vec4 of four rows is a matrix, a row a column. With A of the owned rows and B of walked ones,
// transpose(B) · A adds to 16 scores (an owned row a column), and B · P are the rows that weights P make of walked rows. So there
// are four of each: by the walked rows of lane ^ 0, 1, 2 and 3. The owned rows of the result, float32, are rescaled in memory once
// a round.
// Gradients in one pass: the four lanes go over all queries and add to dq, and, with the weights turned, to dk and dv. Each element
// is written by one lane in a fixed order, so results repeat to the bit.
// Grids, four invocations to a workgroup: forward one-dimensional over (batch, head, 16 owned rows), the rows fastest; backward over
// (batch, head, part of the keys). Rows past the end are the last row once more: they weigh nothing; owned, they come to the same
// values, which o and rows may be given twice, while gradients, which are added to, may not.

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

// Whether dq goes to one buffer with dk and dv.
const PACKED: bool = false; // @variant
// Element type of q, k, v and the saved o. All other numbers are float32.
alias Stored = f32; // @variant f32=f32 f16=f16

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
@group(0) @binding(5) var<storage, read_write> o: array<vec4<f32>>;
/// [B, H, T]: the log-sum-exp of every query.
@group(0) @binding(6) var<storage, read_write> rows: array<f32>;

/// The four rows that an invocation owns.
struct Place {
  batch: u32,
  head: u32,
  first: u32,
}

fn place_of(group: u32, lane: u32, count: u32) -> Place {
  let across = (count + 15u) / 16u;
  let batch_head = group / across;
  return Place(batch_head / params.heads, batch_head % params.heads, (group % across) * 16u + 4u * lane);
}

/// Four rows from `first` on, those past the end as the last.
fn four(first: u32, count: u32) -> vec4<u32> {
  return min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(count - 1u));
}

fn q_at(place: Place, first: u32) -> vec4<u32> {
  return params.q_offset + place.batch * params.q_batch + place.head * params.vectors + four(first, params.queries) * params.q_row;
}

fn k_at(place: Place, first: u32) -> vec4<u32> {
  return params.k_offset + place.batch * params.k_batch + place.head * params.vectors + four(first, params.keys) * params.k_row;
}

fn v_at(place: Place, first: u32) -> vec4<u32> {
  return params.v_offset + place.batch * params.v_batch + place.head * params.vectors + four(first, params.keys) * params.v_row;
}

/// Rows of o or do.
fn o_at(place: Place, first: u32) -> vec4<u32> {
  return ((place.batch * params.queries + four(first, params.queries)) * params.heads + place.head) * params.vectors;
}

/// Elements of the log-sum-exp in rows.
fn lse_at(place: Place, first: u32) -> vec4<u32> {
  return (place.batch * params.heads + place.head) * params.queries + four(first, params.queries);
}

/// Which of four keys exist and are not masked: those above 0.
fn seen_of(batch: u32, first: u32) -> vec4<f32> {
  let exists = vec4<f32>(vec4<u32>(first, first + 1u, first + 2u, first + 3u) < vec4<u32>(params.keys));
  if (params.has_mask == 0u) {
    return exists;
  }
  let at = batch * params.keys + four(first, params.keys);
  return exists * vec4<f32>(vec4<u32>(mask[at.x], mask[at.y], mask[at.z], mask[at.w]));
}

/// One vec4 of four rows, a row a column.
fn q4(at: vec4<u32>, d: u32) -> mat4x4<f32> {
  return mat4x4<f32>(vec4<f32>(q[at.x + d]), vec4<f32>(q[at.y + d]), vec4<f32>(q[at.z + d]), vec4<f32>(q[at.w + d]));
}

fn k4(at: vec4<u32>, d: u32) -> mat4x4<f32> {
  return mat4x4<f32>(vec4<f32>(k[at.x + d]), vec4<f32>(k[at.y + d]), vec4<f32>(k[at.z + d]), vec4<f32>(k[at.w + d]));
}

fn v4(at: vec4<u32>, d: u32) -> mat4x4<f32> {
  return mat4x4<f32>(vec4<f32>(v[at.x + d]), vec4<f32>(v[at.y + d]), vec4<f32>(v[at.z + d]), vec4<f32>(v[at.w + d]));
}

// @shared quad-products
/// Four lanes have four lines of each operand each: products of a lane's own lines by those of lane ^ 0, ^ 1, ^ 2 and ^ 3, its
/// neighbours along x, along y and along both.
struct Quad {
  own: mat4x4<f32>,
  x: mat4x4<f32>,
  y: mat4x4<f32>,
  xy: mat4x4<f32>,
}

/// What the lanes have, to each of them.
fn spread(m: mat4x4<f32>) -> Quad {
  return Quad(
    m,
    mat4x4<f32>(quadSwapX(m[0]), quadSwapX(m[1]), quadSwapX(m[2]), quadSwapX(m[3])),
    mat4x4<f32>(quadSwapY(m[0]), quadSwapY(m[1]), quadSwapY(m[2]), quadSwapY(m[3])),
    mat4x4<f32>(quadSwapDiagonal(m[0]), quadSwapDiagonal(m[1]), quadSwapDiagonal(m[2]), quadSwapDiagonal(m[3]))
  );
}

/// Adds products of four terms: of rows, a column of `left` each, and columns, a row of `right` each.
fn add_products(sum: Quad, left: mat4x4<f32>, right: mat4x4<f32>) -> Quad {
  let r = spread(right);
  return Quad(sum.own + r.own * left, sum.x + r.x * left, sum.y + r.y * left, sum.xy + r.xy * left);
}
// @end shared

// Here of owned rows, a column each, and walked ones.

/// The rows that weights of 16 walked rows make of these, of which each lane has loaded four.
fn weighted(four: mat4x4<f32>, weights: Quad) -> mat4x4<f32> {
  let r = spread(four);
  return (r.own * weights.own + r.x * weights.x) + (r.y * weights.y + r.xy * weights.xy);
}

/// Weights of owned and walked rows by the walked ones: the lane's own walked rows, a column each, and all owned rows.
fn turned(w: Quad) -> Quad {
  return Quad(transpose(w.own), spread(transpose(w.x)).x, spread(transpose(w.y)).y, spread(transpose(w.xy)).xy);
}

/// A number for each owned row.
fn owned_of(n: vec4<f32>) -> Quad {
  let m = transpose(mat4x4<f32>(n, n, n, n));
  return Quad(m, m, m, m);
}

/// A number for each walked row.
fn walked_of(n: vec4<f32>) -> Quad {
  return spread(mat4x4<f32>(n, n, n, n));
}

/// For exp2: in units of log 2, less `top`, and LOWEST where nothing is seen.
fn exponent(score: mat4x4<f32>, top: mat4x4<f32>, seen: mat4x4<f32>) -> mat4x4<f32> {
  let s = score * (params.scale * LOG2_E) - top;
  let none = vec4<f32>();
  let lowest = vec4<f32>(LOWEST);
  return mat4x4<f32>(
    select(lowest, s[0], seen[0] > none), select(lowest, s[1], seen[1] > none),
    select(lowest, s[2], seen[2] > none), select(lowest, s[3], seen[3] > none)
  );
}

fn exponents(score: Quad, top: Quad, seen: Quad) -> Quad {
  return Quad(
    exponent(score.own, top.own, seen.own), exponent(score.x, top.x, seen.x),
    exponent(score.y, top.y, seen.y), exponent(score.xy, top.xy, seen.xy)
  );
}

/// 0 of LOWEST: not exp2 alone, since the difference of two of them is 0. Asked so that NaN stays NaN.
fn power(s: vec4<f32>, top: vec4<f32>) -> vec4<f32> {
  return select(exp2(s - top), vec4<f32>(), s <= vec4<f32>(LOWEST));
}

fn powers_of(s: mat4x4<f32>, top: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4<f32>(power(s[0], top[0]), power(s[1], top[1]), power(s[2], top[2]), power(s[3], top[3]));
}

fn powers(s: Quad, top: Quad) -> Quad {
  return Quad(powers_of(s.own, top.own), powers_of(s.x, top.own), powers_of(s.y, top.own), powers_of(s.xy, top.own));
}

fn slope(p: mat4x4<f32>, dp: mat4x4<f32>, delta: mat4x4<f32>) -> mat4x4<f32> {
  let m = (dp - delta) * params.scale;
  return mat4x4<f32>(p[0] * m[0], p[1] * m[1], p[2] * m[2], p[3] * m[3]);
}

fn slopes(p: Quad, dp: Quad, delta: Quad) -> Quad {
  return Quad(
    slope(p.own, dp.own, delta.own), slope(p.x, dp.x, delta.x),
    slope(p.y, dp.y, delta.y), slope(p.xy, dp.xy, delta.xy)
  );
}

fn highest(m: mat4x4<f32>) -> vec4<f32> {
  let s = transpose(m);
  return max(max(s[0], s[1]), max(s[2], s[3]));
}

fn total_of(m: mat4x4<f32>) -> vec4<f32> {
  let s = transpose(m);
  return (s[0] + s[1]) + (s[2] + s[3]);
}

@compute @workgroup_size(4)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32
) {
  let number = group.y * groups.x + group.x;
  if (number >= params.batches * params.heads * ((params.queries + 15u) / 16u)) {
    return;
  }
  let place = place_of(number, lane, params.queries);
  let query = q_at(place, place.first);
  let out = o_at(place, place.first);
  var top = vec4<f32>(LOWEST);
  var total = vec4<f32>();
  for (var first = 0u; first < params.keys; first += 16u) {
    let walked = first + 4u * lane;
    let key = k_at(place, walked);
    var score = Quad();
    for (var d = 0u; d < params.vectors; d++) {
      score = add_products(score, q4(query, d), transpose(k4(key, d)));
    }
    let s = exponents(score, Quad(), walked_of(seen_of(place.batch, walked)));
    // o is kept normalised: o <- (o total_old + sum_j exp(s_j - top) v_j) / total_new.
    let new_top = max(top, max(max(highest(s.own), highest(s.x)), max(highest(s.y), highest(s.xy))));
    let p = powers(s, owned_of(new_top));
    let old_total = total * exp2(top - new_top);
    total = old_total + ((total_of(p.own) + total_of(p.x)) + (total_of(p.y) + total_of(p.xy)));
    top = new_top;
    let inverse = select(vec4<f32>(), 1.0 / total, total > vec4<f32>());
    let keep = old_total * inverse;
    let value = v_at(place, walked);
    for (var d = 0u; d < params.vectors; d++) {
      var sum = weighted(v4(value, d), p);
      sum = mat4x4<f32>(sum[0] * inverse.x, sum[1] * inverse.y, sum[2] * inverse.z, sum[3] * inverse.w);
      if (first > 0u) {
        sum += mat4x4<f32>(o[out.x + d] * keep.x, o[out.y + d] * keep.y, o[out.z + d] * keep.z, o[out.w + d] * keep.w);
      }
      o[out.x + d] = sum[0];
      o[out.y + d] = sum[1];
      o[out.z + d] = sum[2];
      o[out.w + d] = sum[3];
    }
  }
  let lse = select((top + log2(total)) * LN_2, vec4<f32>(LOWEST), total <= vec4<f32>());
  let at = lse_at(place, place.first);
  rows[at.x] = lse.x;
  rows[at.y] = lse.y;
  rows[at.z] = lse.z;
  rows[at.w] = lse.w;
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

fn kv4(at: vec4<u32>, d: u32) -> mat4x4<f32> {
  return mat4x4<f32>(vec4<f32>(kv[at.x + d]), vec4<f32>(kv[at.y + d]), vec4<f32>(kv[at.z + d]), vec4<f32>(kv[at.w + d]));
}

fn do4(at: vec4<u32>, d: u32) -> mat4x4<f32> {
  return mat4x4<f32>(dout[at.x + d], dout[at.y + d], dout[at.z + d], dout[at.w + d]);
}

fn delta_part(at: u32) -> f32 {
  return dot(vec4<f32>(o_saved[at]), dout[at]);
}

@compute @workgroup_size(4)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32
) {
  let number = group.y * groups.x + group.x;
  let parts = (params.keys + params.part_keys - 1u) / params.part_keys;
  if (number >= params.batches * params.heads * parts) {
    return;
  }
  let part = number % parts;
  let batch = number / parts / params.heads;
  let head = number / parts % params.heads;
  let start = part * params.part_keys;
  let end = min(start + params.part_keys, params.keys);
  let dq_start = (part * params.batches + batch) * params.queries * params.dq_row + head * params.vectors;
  let dkv = batch * params.keys * params.dkv_row + head * params.vectors;
  for (var tile = 0u; tile < params.queries; tile += 16u) {
    let place = Place(batch, head, tile + 4u * lane);
    let query = q_at(place, place.first);
    let out = o_at(place, place.first);
    let at = lse_at(place, place.first);
    // Queries past the end weigh nothing.
    let exists = vec4<u32>(place.first, place.first + 1u, place.first + 2u, place.first + 3u) < vec4<u32>(params.queries);
    let lse = vec4<f32>(rows_saved[at.x], rows_saved[at.y], rows_saved[at.z], rows_saved[at.w]) * LOG2_E;
    let top = select(vec4<f32>(-LOWEST), lse, exists);
    var delta = vec4<f32>();
    for (var d = 0u; d < params.vectors; d++) {
      delta += vec4<f32>(delta_part(out.x + d), delta_part(out.y + d), delta_part(out.z + d), delta_part(out.w + d));
    }
    for (var first = start; first < end; first += 16u) {
      let walked = first + 4u * lane;
      let key = k_at(place, walked);
      let value = v_at(place, walked);
      var score = Quad();
      var dp = Quad();
      for (var d = 0u; d < params.vectors; d++) {
        score = add_products(score, q4(query, d), transpose(kv4(key, d)));
        dp = add_products(dp, do4(out, d), transpose(kv4(value, d)));
      }
      // An unseen key may have any score: exp2 of it could overflow, so it is not multiplied but replaced.
      let p = powers(exponents(score, owned_of(top), walked_of(seen_of(batch, walked))), Quad());
      let ds = slopes(p, dp, owned_of(delta));
      let p_turned = turned(p);
      let ds_turned = turned(ds);
      let add_dq = first > start || (params.accumulate & 1u) != 0u;
      let add_dkv = tile > 0u || (params.accumulate & 2u) != 0u;
      let dq_at = dq_start + place.first * params.dq_row;
      let dkv_at = dkv + walked * params.dkv_row;
      let owned_rows = params.queries - min(place.first, params.queries);
      let walked_rows = params.keys - min(walked, params.keys);
      for (var d = 0u; d < params.vectors; d++) {
        add_rows(dq_at + d, params.dq_row, owned_rows, weighted(kv4(key, d), ds), add_dq, !PACKED);
        add_rows(params.dk_offset + dkv_at + d, params.dkv_row, walked_rows, weighted(q4(query, d), ds_turned), add_dkv, false);
        add_rows(params.dv_offset + dkv_at + d, params.dkv_row, walked_rows, weighted(do4(out, d), p_turned), add_dkv, false);
      }
    }
  }
}

fn add_rows(at: u32, row: u32, owned: u32, sum: mat4x4<f32>, add: bool, to_dq: bool) {
  if (owned > 0u) { add_row(at, sum[0], add, to_dq); }
  if (owned > 1u) { add_row(at + row, sum[1], add, to_dq); }
  if (owned > 2u) { add_row(at + 2u * row, sum[2], add, to_dq); }
  if (owned > 3u) { add_row(at + 3u * row, sum[3], add, to_dq); }
}

fn add_row(at: u32, sum: vec4<f32>, add: bool, to_dq: bool) {
  // Not a branch for `add`: such an adapter runs both. `to_dq` is a constant.
  if (to_dq) {
    dq[at] = select(sum, sum + dq[at], add);
  } else {
    gradients[at] = select(sum, sum + gradients[at], add);
  }
}
