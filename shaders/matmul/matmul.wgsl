// C = activation(A·B + bias) + residual, A [m, k], B [k, n], C [m, n], for every batch.
//
// A and B are read through strides, so that a transposed operand or a broadcast batch costs no copy; one of the two
// inner strides of each operand is 1. C, residual are dense [batch, m, n], bias is [n].
// A long sum over k may be cut into `splits`, each with a C of its own, which shaders/reduce/combine.wgsl adds up in a fixed order.
// With `column_sums` every C has one more row: the sums of B over k, which is the gradient of a bias when B is dY.
//
// `product`: tiles of TILE × TILE of C by 256 invocations, each of MICRO × MICRO with MICRO = TILE / 16; strips of
// TILE × DEPTH of A and B go through workgroup memory. Grid: groups1d(⌈m / TILE⌉ · ⌈n / TILE⌉ · batches · splits, 1).
// The same product for software adapters: shaders/matmul/matmul-subgroup.wgsl.

const TILE: u32 = 64; // @tune 32 64
const DEPTH: u32 = 16; // @tune 8 16

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

// @shared matmul-finish
// One element of the result, from its sum over k; `at` is its place in c.
fn finish(sum: f32, at: u32, column: u32) {
  var y = sum;
  if (EPILOGUE) {
    if (params.bias_on != 0u) { y += bias[column]; }
    if (params.keep != 0u) { c[params.kept_offset + at] = C(y); }
    y = activated(y);
    if (params.residual_on != 0u) { y += residual[at]; }
  }
  if (params.accumulate != 0u) { y += f32(c[at]); }
  c[at] = C(y);
}
// @end shared

@group(0) @binding(1) var<storage, read> a: array<A>;
@group(0) @binding(2) var<storage, read> b: array<B>;

const SIDE: u32 = 16u;
const MICRO: u32 = TILE / SIDE;
// One padding element a line keeps the invocations that write a column of the strip on different banks.
const LINE: u32 = TILE + 1u;
const FETCHES: u32 = TILE * DEPTH / 256u;

var<workgroup> strip_a: array<f32, LINE * DEPTH>; // [k, row]
var<workgroup> strip_b: array<f32, LINE * DEPTH>; // [k, column]

// @shared matmul-tile
// The tile of a workgroup: its number among the rows of C, among the columns, and the layer, which does not exist behind the
// last tile. The grid is folded over x and y: one dimension may not hold all tiles.
fn tile_of(group: vec3<u32>, groups: vec3<u32>, rows: u32, columns: u32) -> vec3<u32> {
  let i = group.y * groups.x + group.x;
  let down = (params.m + rows - 1u) / rows;
  let across = (params.n + columns - 1u) / columns;
  return vec3<u32>(i % down, i / down % across, i / (down * across));
}
// @end shared

@compute @workgroup_size(16, 16)
fn product(
  @builtin(workgroup_id) place: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let group = tile_of(place, grid, TILE, TILE);
  if (group.z >= params.layers) { return; }
  let row_0 = group.x * TILE;
  let column_0 = group.y * TILE;
  let batch = group.z / params.splits;
  let split = group.z % params.splits;
  let batch_0 = batch / params.batch_1;
  let batch_1 = batch % params.batch_1;
  let a_start = params.a_offset + batch_0 * params.a_batch_0 + batch_1 * params.a_batch_1;
  let b_start = params.b_offset + batch_0 * params.b_batch_0 + batch_1 * params.b_batch_1;
  let k_begin = split * params.split_length;
  let k_end = min(params.k, k_begin + params.split_length);
  let my_row = local / SIDE;
  let my_column = local % SIDE;

  var sums: array<array<f32, MICRO>, MICRO>;
  for (var i = 0u; i < MICRO; i++) {
    for (var j = 0u; j < MICRO; j++) { sums[i][j] = 0.0; }
  }
  var column_sums: array<f32, MICRO>;
  for (var j = 0u; j < MICRO; j++) { column_sums[j] = 0.0; }

  for (var k_0 = k_begin; k_0 < k_end; k_0 += DEPTH) {
    // Neighbouring invocations fetch neighbouring addresses: along k, or along rows and columns if that is contiguous.
    for (var f = 0u; f < FETCHES; f++) {
      let e = f * 256u + local;
      let a_depth = select(e % DEPTH, e / TILE, A_TRANSPOSED);
      let a_line = select(e / DEPTH, e % TILE, A_TRANSPOSED);
      let a_k = k_0 + a_depth;
      let row = row_0 + a_line;
      var x = 0.0;
      if (a_k < k_end && row < params.m) {
        x = f32(a[a_start + row * params.a_row + a_k * params.a_column]);
      }
      strip_a[a_depth * LINE + a_line] = x;
      let b_depth = select(e / TILE, e % DEPTH, B_TRANSPOSED);
      let b_line = select(e % TILE, e / DEPTH, B_TRANSPOSED);
      let b_k = k_0 + b_depth;
      let column = column_0 + b_line;
      var y = 0.0;
      if (b_k < k_end && column < params.n) {
        y = f32(b[b_start + b_k * params.b_row + column * params.b_column]);
      }
      strip_b[b_depth * LINE + b_line] = y;
    }
    workgroupBarrier();
    for (var depth = 0u; depth < DEPTH; depth++) {
      var right: array<f32, MICRO>;
      for (var j = 0u; j < MICRO; j++) {
        right[j] = strip_b[depth * LINE + j * SIDE + my_column];
        if (COLUMN_SUMS) { column_sums[j] += right[j]; }
      }
      for (var i = 0u; i < MICRO; i++) {
        let left = strip_a[depth * LINE + i * SIDE + my_row];
        for (var j = 0u; j < MICRO; j++) { sums[i][j] += left * right[j]; }
      }
    }
    workgroupBarrier();
  }

  let c_start = group.z * params.c_size;
  for (var i = 0u; i < MICRO; i++) {
    for (var j = 0u; j < MICRO; j++) {
      let row = row_0 + i * SIDE + my_row;
      let column = column_0 + j * SIDE + my_column;
      if (row < params.m && column < params.n) { finish(sums[i][j], c_start + row * params.n + column, column); }
    }
  }
  if (COLUMN_SUMS && group.x == 0u && my_row == 0u) {
    for (var j = 0u; j < MICRO; j++) {
      let column = column_0 + j * SIDE + my_column;
      if (column < params.n) { finish_column(column_sums[j], c_start, column); }
    }
  }
}
