// C = activation(alpha · A·B + bias) + residual, as shaders/matmul.wgsl, for adapters on which loads are what costs:
// a software adapter fetches lane by lane, so a value fetched once is passed on to all lanes by subgroup shuffles.
//
// A workgroup is one subgroup (or the first LANES lanes of one). Its tile of C is ROWS × COLUMNS·LANES: a lane owns
// COLUMNS columns, LANES apart, and of these all rows. For each k, ROW_GROUPS numbers a lane bring a column of A into
// the subgroup and COLUMNS numbers a lane a row of B. Workgroup memory is not used, so nothing waits at a barrier.
// Any strides do, at the same price: there is one pipeline for all layouts, epilogues and sizes.
//
// Grid: [⌈m / ROWS⌉, ⌈n / (COLUMNS·LANES)⌉, batches · splits]; neighbours in x share their columns of B.

enable subgroups;

const LANES: u32 = 8; // @tune 8 16 32
const ROW_GROUPS: u32 = 4; // @tune 1 2 4 8
const COLUMNS: u32 = 4; // @tune 2 4
// k at a time. The sums are merged with those of lanes that have left the loop, which is none, once a round; and what
// is fetched of a long stride has mostly left the cache by the next round.
const DEPTH: u32 = 2; // @tune 1 2 4

// @shared matmul-call
// Element types of A, B and C; sums are float32, and so are bias and residual.
alias A = f32; // @variant f32=f32 f16=f16
alias B = f32; // @variant f32=f32 f16=f16
alias C = f32; // @variant f32=f32 f16=f16

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
  // The epilogue: uniform branches, once an element, so that one pipeline serves every layer.
  bias_on: u32,      // 0 or 1, as the other switches
  residual_on: u32,
  accumulate: u32,
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
  var z = params.alpha * sum;
  if (params.bias_on != 0u) { z += bias[column]; }
  if (params.keep != 0u) { c[params.kept_offset + at] = C(z); }
  var y = activated(z);
  if (params.residual_on != 0u) { y += residual[at]; }
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

const ROWS: u32 = LANES * ROW_GROUPS;

@compute @workgroup_size(LANES)
fn product(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
  let row_0 = group.x * ROWS;
  let column_0 = group.y * COLUMNS * LANES;
  let batch = group.z / params.splits;
  let split = group.z % params.splits;
  let batch_0 = batch / params.batch_1;
  let batch_1 = batch % params.batch_1;
  let a_start = params.a_offset + batch_0 * params.a_batch_0 + batch_1 * params.a_batch_1;
  let b_start = params.b_offset + batch_0 * params.b_batch_0 + batch_1 * params.b_batch_1;
  let k_end = min(params.k, (split + 1u) * params.split_length);
  let sum_columns = params.column_sums != 0u && group.x == 0u;

  // What is beyond the last row or column repeats it, and is never written.
  var a_line: array<u32, ROW_GROUPS>;
  for (var g = 0u; g < ROW_GROUPS; g++) {
    a_line[g] = a_start + min(row_0 + g * LANES + lane, params.m - 1u) * params.a_row;
  }
  var b_line: array<u32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) {
    b_line[j] = b_start + min(column_0 + j * LANES + lane, params.n - 1u) * params.b_column;
  }

  var sums: array<array<f32, COLUMNS>, ROWS>;
  for (var i = 0u; i < ROWS; i++) {
    for (var j = 0u; j < COLUMNS; j++) { sums[i][j] = 0.0; }
  }
  var column_sums: array<f32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { column_sums[j] = 0.0; }
  for (var k_0 = split * params.split_length; k_0 < k_end; k_0 += DEPTH) {
    for (var u = 0u; u < DEPTH; u++) {
      // Beyond the end of k both factors are zero.
      let k = min(k_0 + u, k_end - 1u);
      let inside = k_0 + u < k_end;
      var left: array<f32, ROW_GROUPS>;
      for (var g = 0u; g < ROW_GROUPS; g++) {
        left[g] = select(0.0, f32(a[a_line[g] + k * params.a_column]), inside);
      }
      var right: array<f32, COLUMNS>;
      for (var j = 0u; j < COLUMNS; j++) {
        right[j] = select(0.0, f32(b[b_line[j] + k * params.b_row]), inside);
      }
      if (sum_columns) {
        for (var j = 0u; j < COLUMNS; j++) { column_sums[j] += right[j]; }
      }
      for (var g = 0u; g < ROW_GROUPS; g++) {
        for (var r = 0u; r < LANES; r++) {
          let x = subgroupShuffle(left[g], r);
          for (var j = 0u; j < COLUMNS; j++) {
            sums[g * LANES + r][j] = fma(x, right[j], sums[g * LANES + r][j]);
          }
        }
      }
    }
  }

  let c_start = group.z * params.c_size;
  // A copy to index by a variable, so that the sums themselves can stay in registers; the loop over them is not
  // unrolled, which would be most of what a software adapter has to compile.
  var rows = sums;
  let height = min(ROWS, params.m - row_0);
  for (var i = 0u; i < height * COLUMNS; i++) {
    let row = i / COLUMNS;
    let column = column_0 + i % COLUMNS * LANES + lane;
    if (column < params.n) { finish(rows[row][i % COLUMNS], c_start + (row_0 + row) * params.n + column, column); }
  }
  if (sum_columns) {
    for (var j = 0u; j < COLUMNS; j++) {
      let column = column_0 + j * LANES + lane;
      if (column < params.n) { finish_column(column_sums[j], c_start, column); }
    }
  }
}
