enable subgroups;
// C = activation(A·B + bias) + residual, as shaders/matmul/matmul.wgsl, for software adapters with subgroups of four lanes.
//
// Four lanes compute 16 rows × 16 columns of C. A lane loads four k of four rows of A and of four columns of B, each as a
// matrix, and gets the columns of the other three by exchanges, which cost such an adapter next to nothing, while it loads a
// vector of four as slowly as it does 20 multiply-adds. So a lane multiplies its rows by the columns of lane ^ 0, 1, 2 and 3:
// 8 loads for 256 multiply-adds of four lanes. Sums that live on in a loop cost a copy each round, hence four k a round.
//
// Grid: groups1d(⌈m / 16⌉ · ⌈n / 16⌉ · batches · splits, 1), one workgroup to a block of C, blocks numbered row by row.

// The operand's four k (its four lines, where it is transposed the other way) are a vector in memory.
const A_VECTORS: bool = false; // @variant
const B_VECTORS: bool = false; // @variant
const A_TRANSPOSED: bool = false; // @variant
const B_TRANSPOSED: bool = false; // @variant
const COLUMN_SUMS: bool = false; // @variant
// k is no multiple of four.
const TAIL: bool = false; // @variant

// @shared matmul-call
// Element types of A, B and C; sums are float32, and so are bias and residual.
alias A = f32; // @variant f32=f32 f16=f16
alias B = f32; // @variant f32=f32 f16=f16
alias C = f32; // @variant f32=f32 f16=f16
const EPILOGUE: bool = false; // @variant

struct Params {
  m: u32,
  n: u32,
  k: u32,
  a_offset: u32,     // elements to A[0, 0] of the first batch
  a_row: u32,        // elements from a row of A to the next
  a_column: u32,
  a_batch_0: u32,
  a_batch_1: u32,    // between batches of the outer and the inner batch axis; 0 repeats one
  b_offset: u32,
  b_row: u32,
  b_column: u32,
  b_batch_0: u32,
  b_batch_1: u32,
  batch_1: u32,      // length of the inner batch axis
  splits: u32,       // the sum over k in this many parts, each written to its own C
  split_length: u32, // of k; a multiple of the depth of a tile
  c_size: u32,       // elements from one C to the next
  accumulate: u32,   // 0 or 1, as the other switches
  // With EPILOGUE: uniform branches, once an element, so that one pipeline serves every layer.
  bias_on: u32,
  residual_on: u32,
  keep: u32,         // the value before the activation, too, in the same buffer:
  kept_offset: u32,  // from an element of C to where it goes
  activation: u32,   // 0 none, 1 gelu2, 2 silu, 3 relu
  column_sums: u32,
  layers: u32,       // batches · splits
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read_write> c: array<C>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;

fn activated(z: f32) -> f32 {
  switch (params.activation) {
    case 1u: { return z / (1.0 + exp(-1.702 * z)); }
    case 2u: { return z / (1.0 + exp(-z)); }
    case 3u: { return select(max(z, 0.0), z, (bitcast<u32>(z) & 0x7fffffffu) > 0x7f800000u); }
    default: { return z; }
  }
}

// One element of the row of column sums, if C has one.
fn finish_column(sum: f32, c_start: u32, column: u32) {
  let at = c_start + params.m * params.n + column;
  var y = sum;
  if (params.accumulate != 0u) { y += f32(c[at]); }
  c[at] = C(y);
}
// @end shared

@group(0) @binding(1) var<storage, read> a: array<vec4<A>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<B>>;
// The same buffers as a and b, by single numbers, and as c and residual, by vectors.
@group(0) @binding(9) var<storage, read> a_numbers: array<A>;
@group(0) @binding(10) var<storage, read> b_numbers: array<B>;
@group(0) @binding(6) var<storage, read_write> c_vectors: array<vec4<C>>;
@group(0) @binding(8) var<storage, read> residual_vectors: array<vec4<f32>>;

fn a_four(at: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(vec4<A>(a_numbers[at.x], a_numbers[at.y], a_numbers[at.z], a_numbers[at.w]));
}

fn b_four(at: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(vec4<B>(b_numbers[at.x], b_numbers[at.y], b_numbers[at.z], b_numbers[at.w]));
}

// Four k of four rows of A, a row a column of the matrix.
fn fetch_a(rows: vec4<u32>, k: vec4<u32>, step: u32) -> mat4x4<f32> {
  if (A_VECTORS) {
    let at = select(rows + k.x, rows + k * step, A_TRANSPOSED) / 4u;
    let four = mat4x4<f32>(vec4<f32>(a[at.x]), vec4<f32>(a[at.y]), vec4<f32>(a[at.z]), vec4<f32>(a[at.w]));
    if (A_TRANSPOSED) { return transpose(four); }
    return four;
  }
  let along = k * step;
  return mat4x4<f32>(a_four(rows.x + along), a_four(rows.y + along), a_four(rows.z + along), a_four(rows.w + along));
}

// Four k of four columns of B, a k a column of the matrix.
fn fetch_b(columns: vec4<u32>, k: vec4<u32>, step: u32) -> mat4x4<f32> {
  if (B_VECTORS) {
    let at = select(columns + k * step, columns + k.x, B_TRANSPOSED) / 4u;
    let four = mat4x4<f32>(vec4<f32>(b[at.x]), vec4<f32>(b[at.y]), vec4<f32>(b[at.z]), vec4<f32>(b[at.w]));
    if (B_TRANSPOSED) { return transpose(four); }
    return four;
  }
  let along = k * step;
  return mat4x4<f32>(b_four(columns + along.x), b_four(columns + along.y), b_four(columns + along.z), b_four(columns + along.w));
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

// @shared quad-sums
/// Of a lane: [4 i + x] is row i by the columns of lane ^ x; behind them its column sums.
var<private> sums: array<vec4<f32>, 17>;

fn keep(x: u32, m: mat4x4<f32>) {
  sums[x] = m[0];
  sums[4u + x] = m[1];
  sums[8u + x] = m[2];
  sums[12u + x] = m[3];
}

fn keep_all(sum: Quad) {
  keep(0u, sum.own);
  keep(1u, sum.x);
  keep(2u, sum.y);
  keep(3u, sum.xy);
}

const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);
// @end shared

// Such an adapter runs what is behind a branch in any case. So the bias comes to the sums of a tile and not to each number
// of C, and EPILOGUE is only for what must come to these: activation, residual and the value before the activation.

// Sets sums. Returns where the lane's C begins, its first row, and the first column of the four lanes.
fn tile(number: u32, lane: u32) -> vec3<u32> {
  let across = (params.n + 15u) / 16u;
  let down = (params.m + 15u) / 16u;
  let layer = number / (across * down);
  let row = (number / across % down) * 16u + 4u * lane;
  let first = (number % across) * 16u;
  if (layer >= params.layers) { return vec3<u32>(0u, params.m, params.n); }
  let column = first + 4u * lane;
  let batch = layer / params.splits;
  let split = layer % params.splits;
  let batch_0 = batch / params.batch_1;
  let batch_1 = batch % params.batch_1;
  let a_start = params.a_offset + batch_0 * params.a_batch_0 + batch_1 * params.a_batch_1;
  let b_start = params.b_offset + batch_0 * params.b_batch_0 + batch_1 * params.b_batch_1;
  // What is beyond C repeats its last rows or columns, and is not written.
  var rows = a_start + min(row + FOUR, vec4<u32>(params.m - 1u)) * params.a_row;
  var columns = b_start + min(column + FOUR, vec4<u32>(params.n - 1u)) * params.b_column;
  if (A_VECTORS && A_TRANSPOSED) { rows = vec4<u32>(a_start + min(row, params.m - 4u)); }
  if (B_VECTORS && !B_TRANSPOSED) { columns = vec4<u32>(b_start + min(column, params.n - 4u)); }
  let a_step = params.a_column;
  let b_step = params.b_row;
  let k_end = min(params.k, (split + 1u) * params.split_length);

  var sum = Quad();
  var column_sums = vec4<f32>();
  for (var k = split * params.split_length; k < k_end; k += 4u) {
    let depth = k + FOUR;
    var left = fetch_a(rows, depth, a_step);
    var right = fetch_b(columns, depth, b_step);
    if (TAIL) {
      // Terms beyond the last, which may lie anywhere, are none.
      let seen = depth < vec4<u32>(k_end);
      let none = vec4<f32>();
      left = mat4x4<f32>(select(none, left[0], seen), select(none, left[1], seen), select(none, left[2], seen), select(none, left[3], seen));
      right = mat4x4<f32>(right[0], select(none, right[1], seen.y), select(none, right[2], seen.z), select(none, right[3], seen.w));
    }
    sum = add_products(sum, left, right);
    if (COLUMN_SUMS) { column_sums += (right[0] + right[1]) + (right[2] + right[3]); }
  }
  let places = min(column + FOUR, vec4<u32>(params.n - 1u));
  var shift = vec4<f32>();
  if (params.bias_on != 0u) { shift = vec4<f32>(bias[places.x], bias[places.y], bias[places.z], bias[places.w]); }
  let s = spread(mat4x4<f32>(shift, shift, shift, shift));
  keep_all(Quad(sum.own + s.own, sum.x + s.x, sum.y + s.y, sum.xy + s.xy));
  sums[16] = column_sums;
  return vec3<u32>(layer * params.c_size, row, first);
}

// One number of C.
fn put(sum: f32, at: u32) {
  var y = sum;
  if (EPILOGUE) {
    if (params.keep != 0u) { c[params.kept_offset + at] = C(y); }
    y = activated(y);
    if (params.residual_on != 0u) { y += residual[at]; }
  }
  if (params.accumulate != 0u) { y += f32(c[at]); }
  c[at] = C(y);
}

// One workgroup to a tile, by single numbers.
@compute @workgroup_size(4)
fn product(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let place = tile(group.y * groups.x + group.x, lane);
  for (var e = 0u; e < 16u; e++) {
    let row = place.y + e / 4u;
    let column = place.z + 4u * (lane ^ (e % 4u));
    if (row < params.m) {
      let at = place.x + row * params.n + column;
      if (column < params.n) { put(sums[e].x, at); }
      if (column + 1u < params.n) { put(sums[e].y, at + 1u); }
      if (column + 2u < params.n) { put(sums[e].z, at + 2u); }
      if (column + 3u < params.n) { put(sums[e].w, at + 3u); }
    }
  }
  let column = place.z + 4u * lane;
  if (COLUMN_SUMS && place.y < 16u) {
    for (var j = 0u; j < 4u; j++) {
      if (column + j < params.n) { finish_column(sums[16][j], place.x, column + j); }
    }
  }
}

// The same, by vectors, for an n that four divides.
@compute @workgroup_size(4)
fn product_vectors(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let place = tile(group.y * groups.x + group.x, lane);
  for (var e = 0u; e < 16u; e++) {
    let row = place.y + e / 4u;
    let column_0 = place.z + 4u * (lane ^ (e % 4u));
    if (row < params.m && column_0 < params.n) {
      let at = (place.x + row * params.n + column_0) / 4u;
      var y = sums[e];
      if (EPILOGUE) {
        if (params.keep != 0u) { c_vectors[params.kept_offset / 4u + at] = vec4<C>(y); }
        if (params.activation != 0u) { y = vec4<f32>(activated(y.x), activated(y.y), activated(y.z), activated(y.w)); }
        if (params.residual_on != 0u) { y += residual_vectors[at]; }
      }
      if (params.accumulate != 0u) { y += vec4<f32>(c_vectors[at]); }
      c_vectors[at] = vec4<C>(y);
    }
  }
  let column_0 = place.z + 4u * lane;
  if (COLUMN_SUMS && place.y < 16u && column_0 < params.n) {
    let at = (place.x + params.m * params.n + column_0) / 4u;
    var y = sums[16];
    if (params.accumulate != 0u) { y += vec4<f32>(c_vectors[at]); }
    c_vectors[at] = vec4<C>(y);
  }
}
