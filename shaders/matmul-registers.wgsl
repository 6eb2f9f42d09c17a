// C = activation(alpha · A·B + bias) + residual, as shaders/matmul.wgsl, for software adapters without subgroups of eight lanes.
//
// An invocation computes 8 rows × 8 columns of C in four matrices: arrays, workgroup memory and exchanges between lanes all
// cost such an adapter more than they save, and a load costs more than the multiply-adds: here it takes 16 for 64. Four
// neighbouring invocations share the rows and take every fourth of 32 columns, so that most of their loads are of one element
// or of four neighbours, which such an adapter does as one.
//
// Grid: groups1d(4 · ⌈m / 8⌉ · ⌈n / 32⌉ · batches · splits, WORKGROUP): four to a block of C, blocks numbered row by row.

const WORKGROUP: u32 = 32; // @tune 32 64 128
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

@group(0) @binding(1) var<storage, read> a: array<A>;
@group(0) @binding(2) var<storage, read> b: array<B>;

fn rows_of(b: vec4<f32>, a: vec4<f32>) -> mat4x4<f32> {
  return mat4x4<f32>(a.x * b, a.y * b, a.z * b, a.w * b);
}

fn finish_row(left: vec4<f32>, right: vec4<f32>, c_start: u32, row: u32, column: u32) {
  if (row >= params.m) { return; }
  for (var j = 0u; j < 4u; j++) {
    let near = column + 4u * j;
    if (near < params.n) { finish(left[j], c_start + row * params.n + near, near); }
    let far = near + 16u;
    if (far < params.n) { finish(right[j], c_start + row * params.n + far, far); }
  }
}

@compute @workgroup_size(WORKGROUP)
fn product(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let invocation = (group.y * groups.x + group.x) * WORKGROUP + local;
  let across = (params.n + 31u) / 32u;
  let down = (params.m + 7u) / 8u;
  let number = invocation / 4u;
  let row = number / across % down * 8u;
  let column = number % across * 32u + invocation % 4u;
  let layer = number / (across * down);
  if (layer >= params.layers) { return; }
  let batch = layer / params.splits;
  let split = layer % params.splits;
  let batch_0 = batch / params.batch_1;
  let batch_1 = batch % params.batch_1;
  let k_begin = split * params.split_length;
  let k_end = min(params.k, k_begin + params.split_length);

  // Of the first k. What is beyond C repeats its last row or column, and is not written.
  let four = vec4<u32>(0u, 1u, 2u, 3u);
  let last_row = vec4<u32>(params.m - 1u);
  let last_column = vec4<u32>(params.n - 1u);
  let a_start = params.a_offset + batch_0 * params.a_batch_0 + batch_1 * params.a_batch_1 + k_begin * params.a_column;
  let b_start = params.b_offset + batch_0 * params.b_batch_0 + batch_1 * params.b_batch_1 + k_begin * params.b_row;
  var upper_at = a_start + min(row + four, last_row) * params.a_row;
  var lower_at = a_start + min(row + 4u + four, last_row) * params.a_row;
  var left_at = b_start + min(column + 4u * four, last_column) * params.b_column;
  var right_at = b_start + min(column + 16u + 4u * four, last_column) * params.b_column;

  // A column of a matrix is a row of C: of the four upper and the four lower ones, the first four columns and the others.
  var upper_left = mat4x4<f32>();
  var upper_right = mat4x4<f32>();
  var lower_left = mat4x4<f32>();
  var lower_right = mat4x4<f32>();
  var left_sum = vec4<f32>();
  var right_sum = vec4<f32>();
  for (var k = k_begin; k < k_end; k++) {
    let upper = vec4<f32>(f32(a[upper_at.x]), f32(a[upper_at.y]), f32(a[upper_at.z]), f32(a[upper_at.w]));
    let lower = vec4<f32>(f32(a[lower_at.x]), f32(a[lower_at.y]), f32(a[lower_at.z]), f32(a[lower_at.w]));
    let left = vec4<f32>(f32(b[left_at.x]), f32(b[left_at.y]), f32(b[left_at.z]), f32(b[left_at.w]));
    let right = vec4<f32>(f32(b[right_at.x]), f32(b[right_at.y]), f32(b[right_at.z]), f32(b[right_at.w]));
    upper_left += rows_of(left, upper);
    upper_right += rows_of(right, upper);
    lower_left += rows_of(left, lower);
    lower_right += rows_of(right, lower);
    if (COLUMN_SUMS) {
      left_sum += left;
      right_sum += right;
    }
    upper_at += params.a_column;
    lower_at += params.a_column;
    left_at += params.b_row;
    right_at += params.b_row;
  }

  let c_start = layer * params.c_size;
  finish_row(upper_left[0], upper_right[0], c_start, row, column);
  finish_row(upper_left[1], upper_right[1], c_start, row + 1u, column);
  finish_row(upper_left[2], upper_right[2], c_start, row + 2u, column);
  finish_row(upper_left[3], upper_right[3], c_start, row + 3u, column);
  finish_row(lower_left[0], lower_right[0], c_start, row + 4u, column);
  finish_row(lower_left[1], lower_right[1], c_start, row + 5u, column);
  finish_row(lower_left[2], lower_right[2], c_start, row + 6u, column);
  finish_row(lower_left[3], lower_right[3], c_start, row + 7u, column);
  if (COLUMN_SUMS && row == 0u) {
    for (var j = 0u; j < 4u; j++) {
      let near = column + 4u * j;
      if (near < params.n) { finish_column(left_sum[j], c_start, near); }
      let far = near + 16u;
      if (far < params.n) { finish_column(right_sum[j], c_start, far); }
    }
  }
}
