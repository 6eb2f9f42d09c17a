// C = activation(alpha · A·B + bias) + residual, as shaders/matmul.wgsl, for software adapters without subgroups of eight lanes.
//
// An invocation computes 4 rows × 8 columns of C in eight named vectors: arrays, workgroup memory and exchanges between
// lanes all cost such an adapter more than they save. Four k at a time it fetches four vec4 of A and eight of B for
// 128 multiply-adds. Neighbouring invocations have neighbouring columns, so that they fetch the same A.
//
// Grid: [x, y, batches · splits], x · y · WORKGROUP ≥ ⌈m / 4⌉ · ⌈n / 8⌉ blocks of C, numbered row by row.

const WORKGROUP: u32 = 32; // @tune 32 64 128
const A_VECTORS: bool = false; // @variant
const B_VECTORS: bool = false; // @variant

const A_TRANSPOSED: bool = false; // @variant
const B_TRANSPOSED: bool = false; // @variant
const COLUMN_SUMS: bool = false; // @variant

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
  alpha: f32,
  accumulate: u32,   // 0 or 1, as the other switches
  // With EPILOGUE: uniform branches, once an element, so that one pipeline serves every layer.
  bias_on: u32,
  residual_on: u32,
  keep: u32,         // the value before the activation, too, in the same buffer:
  kept_offset: u32,  // from an element of C to where it goes
  activation: u32,   // 0 none, 1 gelu2, 2 silu, 3 relu
  column_sums: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read_write> c: array<C>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;

fn activated(z: f32) -> f32 {
  switch (params.activation) {
    case 1u: { return z / (1.0 + exp(-1.702 * z)); }
    case 2u: { return z / (1.0 + exp(-z)); }
    case 3u: { return max(z, 0.0); }
    default: { return z; }
  }
}

// One element of the result, from its sum over k; `at` is its place in c.
fn finish(sum: f32, at: u32, column: u32) {
  var y = params.alpha * sum;
  if (EPILOGUE) {
    if (params.bias_on != 0u) { y += bias[column]; }
    if (params.keep != 0u) { c[params.kept_offset + at] = C(y); }
    y = activated(y);
    if (params.residual_on != 0u) { y += residual[at]; }
  }
  if (params.accumulate != 0u) { y += f32(c[at]); }
  c[at] = C(y);
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

// Operands are bound as vectors; this is one element of one.
fn a_at(i: u32) -> f32 { return f32(a[i / 4u][i % 4u]); }
fn b_at(i: u32) -> f32 { return f32(b[i / 4u][i % 4u]); }

// Four neighbours in memory: A[row, k … k + 3], or A[row … row + 3, k] if it is transposed. What is beyond the end repeats
// the last: such rows are never written, and such k meet zeros of B.
fn fetch_a(start: u32, row: u32, k: u32) -> vec4<f32> {
  let line = start + select(min(row, params.m - 1u), min(k, params.k - 1u), A_TRANSPOSED) * select(params.a_row, params.a_column, A_TRANSPOSED);
  let first = select(k, row, A_TRANSPOSED);
  if (A_VECTORS) { return vec4<f32>(a[(line + first) / 4u]); }
  let last = select(params.k, params.m, A_TRANSPOSED) - 1u;
  return vec4<f32>(a_at(line + min(first, last)), a_at(line + min(first + 1u, last)), a_at(line + min(first + 2u, last)), a_at(line + min(first + 3u, last)));
}

// The same of B: B[k, column … column + 3], or B[k … k + 3, column] if it is transposed.
fn fetch_b(start: u32, k: u32, column: u32) -> vec4<f32> {
  let line = start + select(min(k, params.k - 1u), min(column, params.n - 1u), B_TRANSPOSED) * select(params.b_row, params.b_column, B_TRANSPOSED);
  let first = select(column, k, B_TRANSPOSED);
  if (B_VECTORS) { return vec4<f32>(b[(line + min(first, select(params.n, params.k, B_TRANSPOSED) - 4u)) / 4u]); }
  let last = select(params.n, params.k, B_TRANSPOSED) - 1u;
  return vec4<f32>(b_at(line + min(first, last)), b_at(line + min(first + 1u, last)), b_at(line + min(first + 2u, last)), b_at(line + min(first + 3u, last)));
}

// B[k … k + 3, column … column + 3], a vector for each k; zeros from k_end on.
fn square_of_b(start: u32, k: u32, k_end: u32, column: u32) -> mat4x4<f32> {
  var square: mat4x4<f32>;
  if (B_TRANSPOSED) {
    square = transpose(mat4x4<f32>(fetch_b(start, k, column), fetch_b(start, k, column + 1u), fetch_b(start, k, column + 2u), fetch_b(start, k, column + 3u)));
  } else {
    square = mat4x4<f32>(fetch_b(start, k, column), fetch_b(start, k + 1u, column), fetch_b(start, k + 2u, column), fetch_b(start, k + 3u, column));
  }
  if (k + 4u <= k_end) { return square; }
  let zero = vec4<f32>();
  return mat4x4<f32>(square[0], select(zero, square[1], k + 1u < k_end), select(zero, square[2], k + 2u < k_end), zero);
}

@compute @workgroup_size(WORKGROUP)
fn product(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let across = (params.n + 7u) / 8u;
  let number = (group.y * groups.x + group.x) * WORKGROUP + local;
  let row_0 = number / across * 4u;
  let column_0 = number % across * 8u;
  if (row_0 >= params.m) { return; }
  let batch = group.z / params.splits;
  let split = group.z % params.splits;
  let batch_0 = batch / params.batch_1;
  let batch_1 = batch % params.batch_1;
  let a_start = params.a_offset + batch_0 * params.a_batch_0 + batch_1 * params.a_batch_1;
  let b_start = params.b_offset + batch_0 * params.b_batch_0 + batch_1 * params.b_batch_1;
  let k_end = min(params.k, (split + 1u) * params.split_length);

  // Row i: columns 0 to 3 in left_i, 4 to 7 in right_i.
  var left_0 = vec4<f32>();
  var left_1 = vec4<f32>();
  var left_2 = vec4<f32>();
  var left_3 = vec4<f32>();
  var right_0 = vec4<f32>();
  var right_1 = vec4<f32>();
  var right_2 = vec4<f32>();
  var right_3 = vec4<f32>();
  var left_sum = vec4<f32>();
  var right_sum = vec4<f32>();
  for (var k = split * params.split_length; k < k_end; k += 4u) {
    var x: mat4x4<f32>; // a row of A each
    if (A_TRANSPOSED) {
      x = transpose(mat4x4<f32>(fetch_a(a_start, row_0, k), fetch_a(a_start, row_0, k + 1u), fetch_a(a_start, row_0, k + 2u), fetch_a(a_start, row_0, k + 3u)));
    } else {
      x = mat4x4<f32>(fetch_a(a_start, row_0, k), fetch_a(a_start, row_0 + 1u, k), fetch_a(a_start, row_0 + 2u, k), fetch_a(a_start, row_0 + 3u, k));
    }
    let left = square_of_b(b_start, k, k_end, column_0);
    left_0 += left * x[0];
    left_1 += left * x[1];
    left_2 += left * x[2];
    left_3 += left * x[3];
    let right = square_of_b(b_start, k, k_end, column_0 + 4u);
    right_0 += right * x[0];
    right_1 += right * x[1];
    right_2 += right * x[2];
    right_3 += right * x[3];
    if (COLUMN_SUMS) {
      left_sum += left[0] + left[1] + left[2] + left[3];
      right_sum += right[0] + right[1] + right[2] + right[3];
    }
  }

  let c_start = group.z * params.c_size;
  var sums = array<vec4<f32>, 8>(left_0, right_0, left_1, right_1, left_2, right_2, left_3, right_3);
  let rows = min(4u, params.m - row_0);
  let columns = min(8u, params.n - column_0);
  for (var row = 0u; row < rows; row++) {
    for (var j = 0u; j < columns; j++) {
      finish(sums[2u * row + j / 4u][j % 4u], c_start + (row_0 + row) * params.n + column_0 + j, column_0 + j);
    }
  }
  if (COLUMN_SUMS && row_0 == 0u) {
    for (var j = 0u; j < columns; j++) {
      finish_column(select(right_sum[j % 4u], left_sum[j % 4u], j < 4u), c_start, column_0 + j);
    }
  }
}
