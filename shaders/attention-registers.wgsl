// The attention of attention.wgsl (same mathematics, shapes, parameters and bindings) for software adapters without
// subgroups of eight lanes: arrays and exchanges between lanes cost such an adapter more than they save, so everything
// is in 4 × 4 matrices, which it keeps in registers.
//
// An invocation owns four rows of q (in backward_key_value of k and v) of one head and walks the other side four rows
// at a time. One vec4 of four rows is a matrix, a row a column. With A of the owned rows and B of the walked ones,
// transpose(A) · B adds to the 16 scores (a walked row a column), and B · transpose(P) are the rows that weights P make
// of walked rows: 8 vectors are loaded for 64 multiply-adds.
// The owned rows of the result, float32, are rescaled in memory once a block.
// Grid: one-dimensional over (batch, head, block of owned rows), the block fastest. Rows past the end are the last row once
// more: walked, they count for nothing; owned, they come to the same values, which o and rows may be given twice, while
// gradients, which are added to, may not.

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

const WORKGROUP: u32 = 16; // @tune 8 16 32 64

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
/// [2, B, H, T]: the log-sum-exp of every query, then (from backward_query) its delta.
@group(0) @binding(6) var<storage, read_write> rows: array<f32>;

/// The four rows that an invocation owns.
struct Place {
  batch: u32,
  head: u32,
  first: u32,
}

fn place_of(group: vec3<u32>, groups: vec3<u32>, local: u32, count: u32) -> Place {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let blocks = (count - 1u) / 4u + 1u;
  let batch_head = index / blocks;
  return Place(batch_head / params.heads, batch_head % params.heads, (index % blocks) * 4u);
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

/// From the log-sum-exp of a query to its delta.
fn to_delta() -> u32 {
  return params.batches * params.heads * params.queries;
}

/// Which of four keys exist and are not masked.
fn seen_of(batch: u32, first: u32) -> vec4<bool> {
  let keys = vec4<u32>(first, first + 1u, first + 2u, first + 3u);
  let exists = keys < vec4<u32>(params.keys);
  if (params.has_mask == 0u) {
    return exists;
  }
  let at = batch * params.keys + four(first, params.keys);
  let marks = vec4<u32>(mask[at.x], mask[at.y], mask[at.z], mask[at.w]);
  return exists & (marks != vec4<u32>());
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

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let place = place_of(group, groups, local, params.queries);
  if (place.batch >= params.batches) {
    return;
  }
  // In units of log 2: exp2 is what the hardware has.
  let scale = params.scale * LOG2_E;
  let query = q_at(place, place.first);
  let out = o_at(place, place.first);
  var top = vec4<f32>(LOWEST);
  var total = vec4<f32>();
  for (var first = 0u; first < params.keys; first += 4u) {
    let key = k_at(place, first);
    let value = v_at(place, first);
    var score = mat4x4<f32>();
    for (var d = 0u; d < params.vectors; d++) {
      score += transpose(q4(query, d)) * k4(key, d);
    }
    let seen = seen_of(place.batch, first);
    let s0 = select(vec4<f32>(LOWEST), score[0] * scale, seen.x);
    let s1 = select(vec4<f32>(LOWEST), score[1] * scale, seen.y);
    let s2 = select(vec4<f32>(LOWEST), score[2] * scale, seen.z);
    let s3 = select(vec4<f32>(LOWEST), score[3] * scale, seen.w);
    // o is kept normalised: o <- (o total_old + sum_j exp(s_j - top) v_j) / total_new.
    let new_top = max(top, max(max(s0, s1), max(s2, s3)));
    // Not exp2 alone: while no key has been seen, both score and top are LOWEST. Asked so that NaN stays NaN.
    let p0 = select(exp2(s0 - new_top), vec4<f32>(), s0 <= vec4<f32>(LOWEST));
    let p1 = select(exp2(s1 - new_top), vec4<f32>(), s1 <= vec4<f32>(LOWEST));
    let p2 = select(exp2(s2 - new_top), vec4<f32>(), s2 <= vec4<f32>(LOWEST));
    let p3 = select(exp2(s3 - new_top), vec4<f32>(), s3 <= vec4<f32>(LOWEST));
    let old_total = total * exp2(top - new_top);
    total = old_total + ((p0 + p1) + (p2 + p3));
    top = new_top;
    let inverse = select(vec4<f32>(), 1.0 / total, total > vec4<f32>());
    let keep = old_total * inverse;
    let weights = transpose(mat4x4<f32>(p0 * inverse, p1 * inverse, p2 * inverse, p3 * inverse));
    for (var d = 0u; d < params.vectors; d++) {
      var sum = v4(value, d) * weights;
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

@group(0) @binding(5) var<storage, read> o_saved: array<vec4<Stored>>;
@group(0) @binding(7) var<storage, read> dout: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> dq: array<vec4<f32>>;

fn do4(at: vec4<u32>, d: u32) -> mat4x4<f32> {
  return mat4x4<f32>(dout[at.x + d], dout[at.y + d], dout[at.z + d], dout[at.w + d]);
}

fn delta_part(at: u32) -> f32 {
  return dot(vec4<f32>(o_saved[at]), dout[at]);
}

@compute @workgroup_size(WORKGROUP)
fn backward_query(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let place = place_of(group, groups, local, params.queries);
  if (place.batch >= params.batches) {
    return;
  }
  let scale = params.scale * LOG2_E;
  let query = q_at(place, place.first);
  let out = o_at(place, place.first);
  let owned = min(params.queries - place.first, 4u);
  let at = lse_at(place, place.first);
  let lse = vec4<f32>(rows[at.x], rows[at.y], rows[at.z], rows[at.w]) * LOG2_E;
  var delta = vec4<f32>();
  for (var d = 0u; d < params.vectors; d++) {
    delta += vec4<f32>(delta_part(out.x + d), delta_part(out.y + d), delta_part(out.z + d), delta_part(out.w + d));
  }
  rows[to_delta() + at.x] = delta.x;
  rows[to_delta() + at.y] = delta.y;
  rows[to_delta() + at.z] = delta.z;
  rows[to_delta() + at.w] = delta.w;
  let target_row = params.dq_offset + (place.batch * params.queries + place.first) * params.dq_row + place.head * params.vectors;
  for (var first = 0u; first < params.keys; first += 4u) {
    let key = k_at(place, first);
    let value = v_at(place, first);
    var score = mat4x4<f32>();
    var dp = mat4x4<f32>();
    for (var d = 0u; d < params.vectors; d++) {
      score += transpose(q4(query, d)) * k4(key, d);
      dp += transpose(do4(out, d)) * v4(value, d);
    }
    let seen = seen_of(place.batch, first);
    // An unseen key may have any score: exp2 of it could overflow, so it is not multiplied but replaced.
    let ds0 = select(vec4<f32>(), exp2(score[0] * scale - lse), seen.x) * (dp[0] - delta) * params.scale;
    let ds1 = select(vec4<f32>(), exp2(score[1] * scale - lse), seen.y) * (dp[1] - delta) * params.scale;
    let ds2 = select(vec4<f32>(), exp2(score[2] * scale - lse), seen.z) * (dp[2] - delta) * params.scale;
    let ds3 = select(vec4<f32>(), exp2(score[3] * scale - lse), seen.w) * (dp[3] - delta) * params.scale;
    let weights = transpose(mat4x4<f32>(ds0, ds1, ds2, ds3));
    let add = first > 0u || params.accumulate != 0u;
    for (var d = 0u; d < params.vectors; d++) {
      add_rows_of_dq(target_row + d, owned, k4(key, d) * weights, add);
    }
  }
}

fn add_rows_of_dq(at: u32, owned: u32, sum: mat4x4<f32>, add: bool) {
  let row = params.dq_row;
  if (add) {
    dq[at] += sum[0];
    if (owned > 1u) { dq[at + row] += sum[1]; }
    if (owned > 2u) { dq[at + 2u * row] += sum[2]; }
    if (owned > 3u) { dq[at + 3u * row] += sum[3]; }
  } else {
    dq[at] = sum[0];
    if (owned > 1u) { dq[at + row] = sum[1]; }
    if (owned > 2u) { dq[at + 2u * row] = sum[2]; }
    if (owned > 3u) { dq[at + 3u * row] = sum[3]; }
  }
}

@group(0) @binding(5) var<storage, read> rows_saved: array<f32>;
/// Holds dk and dv, at their own offsets.
@group(0) @binding(8) var<storage, read_write> dkv: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn backward_key_value(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let place = place_of(group, groups, local, params.keys);
  if (place.batch >= params.batches) {
    return;
  }
  let scale = params.scale * LOG2_E;
  let key = k_at(place, place.first);
  let value = v_at(place, place.first);
  let owned = min(params.keys - place.first, 4u);
  let seen = seen_of(place.batch, place.first);
  let target_row = (place.batch * params.keys + place.first) * params.dkv_row + place.head * params.vectors;
  for (var first = 0u; first < params.queries; first += 4u) {
    let query = q_at(place, first);
    let out = o_at(place, first);
    let at = lse_at(place, first);
    let lse = vec4<f32>(rows_saved[at.x], rows_saved[at.y], rows_saved[at.z], rows_saved[at.w]) * LOG2_E;
    let deltas = at + to_delta();
    let delta = vec4<f32>(rows_saved[deltas.x], rows_saved[deltas.y], rows_saved[deltas.z], rows_saved[deltas.w]);
    var score = mat4x4<f32>(); // a query a column
    var dp = mat4x4<f32>();
    for (var d = 0u; d < params.vectors; d++) {
      score += transpose(k4(key, d)) * q4(query, d);
      dp += transpose(v4(value, d)) * do4(out, d);
    }
    let left = params.queries - first;
    let p0 = select(vec4<f32>(), exp2(score[0] * scale - lse.x), seen);
    let p1 = select(vec4<f32>(), exp2(score[1] * scale - lse.y), seen & vec4<bool>(left > 1u));
    let p2 = select(vec4<f32>(), exp2(score[2] * scale - lse.z), seen & vec4<bool>(left > 2u));
    let p3 = select(vec4<f32>(), exp2(score[3] * scale - lse.w), seen & vec4<bool>(left > 3u));
    let weights = transpose(mat4x4<f32>(p0, p1, p2, p3));
    let slopes = transpose(mat4x4<f32>(
      p0 * (dp[0] - delta.x) * params.scale,
      p1 * (dp[1] - delta.y) * params.scale,
      p2 * (dp[2] - delta.z) * params.scale,
      p3 * (dp[3] - delta.w) * params.scale,
    ));
    let add = first > 0u || params.accumulate != 0u;
    for (var d = 0u; d < params.vectors; d++) {
      add_rows_of_dkv(params.dk_offset + target_row + d, owned, q4(query, d) * slopes, add);
      add_rows_of_dkv(params.dv_offset + target_row + d, owned, do4(out, d) * weights, add);
    }
  }
}

fn add_rows_of_dkv(at: u32, owned: u32, sum: mat4x4<f32>, add: bool) {
  let row = params.dkv_row;
  if (add) {
    dkv[at] += sum[0];
    if (owned > 1u) { dkv[at + row] += sum[1]; }
    if (owned > 2u) { dkv[at + 2u * row] += sum[2]; }
    if (owned > 3u) { dkv[at + 3u * row] += sum[3]; }
  } else {
    dkv[at] = sum[0];
    if (owned > 1u) { dkv[at + row] = sum[1]; }
    if (owned > 2u) { dkv[at + 2u * row] = sum[2]; }
    if (owned > 3u) { dkv[at + 3u * row] = sum[3]; }
  }
}
