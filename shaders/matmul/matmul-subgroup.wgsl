// C = activation(A·B + bias) + residual, as shaders/matmul/matmul.wgsl, for adapters on which loads are what costs:
// a software adapter fetches lane by lane, so a value fetched once is passed on to all lanes by subgroup shuffles.
//
// A workgroup is one subgroup (or the first LANES lanes of one). Its tile of C is ROWS × 4·LANES: a lane owns four
// columns, every lane all rows. Four k at a time, one fetch of a vec4 per lane brings LANES rows × 4 k of A into the
// subgroup, and four fetches 4 k × 4·LANES columns of B. Workgroup memory is not used, so nothing waits at a barrier.
//
// Grid: groups1d(⌈m / ROWS⌉ · ⌈n / (4·LANES)⌉ · batches · splits, 1); neighbours share their columns of B.

enable subgroups;

const LANES: u32 = 8; // @tune 8 16 32
const ROW_GROUPS: u32 = 4; // @tune 1 2 4 8
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

@group(0) @binding(1) var<storage, read> a: array<vec4<A>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<B>>;
// C, bias and residual again, for an n that is a multiple of four: `product_vectors` writes four columns at once.
@group(0) @binding(6) var<storage, read_write> c_vectors: array<vec4<C>>;
@group(0) @binding(7) var<storage, read> bias_vectors: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read> residual_vectors: array<vec4<f32>>;

// Operands are bound as vectors; this is one element of one.
fn a_at(i: u32) -> f32 { return f32(a[i / 4u][i % 4u]); }
fn b_at(i: u32) -> f32 { return f32(b[i / 4u][i % 4u]); }

const ROWS: u32 = LANES * ROW_GROUPS;
const COLUMNS: u32 = 4u * LANES;
const QUADS: u32 = LANES / 4u; // lanes that hold LANES rows of one k of a transposed A, four rows each

// Lane's share of LANES rows × 4 k of A. Transposed: four rows of one k; else four k of one row. Rows beyond m and
// k beyond the end repeat the last: such rows are never written, and such k meet zeros of B.
fn fetch_a(start: u32, row_0: u32, k_0: u32, lane: u32) -> vec4<f32> {
  if (A_TRANSPOSED) {
    let line = start + min(k_0 + lane / QUADS, params.k - 1u) * select(params.a_row, params.a_column, A_TRANSPOSED);
    let row = row_0 + (lane % QUADS) * 4u;
    if (A_VECTORS) { return vec4<f32>(a[(line + min(row, params.m - 4u)) / 4u]); }
    let last = params.m - 1u;
    return vec4<f32>(a_at(line + min(row, last)), a_at(line + min(row + 1u, last)), a_at(line + min(row + 2u, last)), a_at(line + min(row + 3u, last)));
  }
  let line = start + min(row_0 + lane, params.m - 1u) * select(params.a_row, params.a_column, A_TRANSPOSED);
  if (A_VECTORS) { return vec4<f32>(a[(line + k_0) / 4u]); }
  let last = params.k - 1u;
  return vec4<f32>(a_at(line + k_0), a_at(line + min(k_0 + 1u, last)), a_at(line + min(k_0 + 2u, last)), a_at(line + min(k_0 + 3u, last)));
}

// Four k of one column of a transposed B.
fn fetch_b_column(start: u32, column: u32, k_0: u32) -> vec4<f32> {
  let line = start + min(column, params.n - 1u) * select(params.b_row, params.b_column, B_TRANSPOSED);
  if (B_VECTORS) { return vec4<f32>(b[(line + k_0) / 4u]); }
  let last = params.k - 1u;
  return vec4<f32>(b_at(line + k_0), b_at(line + min(k_0 + 1u, last)), b_at(line + min(k_0 + 2u, last)), b_at(line + min(k_0 + 3u, last)));
}

// Four columns of one k of B.
fn fetch_b_row(start: u32, column: u32, k: u32) -> vec4<f32> {
  let line = start + k * select(params.b_row, params.b_column, B_TRANSPOSED);
  if (B_VECTORS) { return vec4<f32>(b[(line + min(column, params.n - 4u)) / 4u]); }
  let last = params.n - 1u;
  return vec4<f32>(b_at(line + min(column, last)), b_at(line + min(column + 1u, last)), b_at(line + min(column + 2u, last)), b_at(line + min(column + 3u, last)));
}

// What a lane ends up with: its four columns of every row of the tile, and of the sums of B over k.
struct Sums {
  rows: array<vec4<f32>, ROWS>,
  columns: vec4<f32>,
}

fn tile(group: vec3<u32>, lane: u32) -> Sums {
  let row_0 = group.x * ROWS;
  let column_0 = (group.y * LANES + lane) * 4u;
  let batch = group.z / params.splits;
  let split = group.z % params.splits;
  let batch_0 = batch / params.batch_1;
  let batch_1 = batch % params.batch_1;
  let a_start = params.a_offset + batch_0 * params.a_batch_0 + batch_1 * params.a_batch_1;
  let b_start = params.b_offset + batch_0 * params.b_batch_0 + batch_1 * params.b_batch_1;
  let k_end = min(params.k, (split + 1u) * params.split_length);

  var sums: Sums;
  for (var i = 0u; i < ROWS; i++) { sums.rows[i] = vec4<f32>(); }
  sums.columns = vec4<f32>();
  for (var k = split * params.split_length; k < k_end; k += 4u) {
    var left: array<vec4<f32>, ROW_GROUPS>;
    for (var g = 0u; g < ROW_GROUPS; g++) { left[g] = fetch_a(a_start, row_0 + g * LANES, k, lane); }
    var columns: array<vec4<f32>, 4>;
    if (B_TRANSPOSED) {
      for (var j = 0u; j < 4u; j++) { columns[j] = fetch_b_column(b_start, column_0 + j, k); }
    }
    for (var u = 0u; u < 4u; u++) {
      var right: vec4<f32>;
      if (B_TRANSPOSED) {
        right = vec4<f32>(columns[0][u], columns[1][u], columns[2][u], columns[3][u]);
      } else {
        right = fetch_b_row(b_start, column_0, min(k + u, params.k - 1u));
      }
      right = select(vec4<f32>(), right, k + u < k_end);
      if (COLUMN_SUMS) { sums.columns += right; }
      for (var g = 0u; g < ROW_GROUPS; g++) {
        for (var r = 0u; r < LANES; r++) {
          var x: f32;
          if (A_TRANSPOSED) {
            x = subgroupShuffle(left[g][r % 4u], u * QUADS + r / 4u);
          } else {
            x = subgroupShuffle(left[g][u], r);
          }
          sums.rows[g * LANES + r] += x * right;
        }
      }
    }
  }
  return sums;
}

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

// Any n: element by element.
@compute @workgroup_size(LANES)
fn product(
  @builtin(workgroup_id) place: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let group = tile_of(place, grid, ROWS, COLUMNS);
  if (group.z >= params.layers) { return; }
  let sums = tile(group, lane);
  let row_0 = group.x * ROWS;
  let column_0 = (group.y * LANES + lane) * 4u;
  let c_start = group.z * params.c_size;
  // A copy to index by a variable, so that the sums themselves can stay in registers; the loop over them is not
  // unrolled, which would be most of what a software adapter has to compile.
  var rows = sums.rows;
  let height = min(ROWS, params.m - row_0);
  for (var i = 0u; i < height * 4u; i++) {
    let row = i / 4u;
    let column = column_0 + i % 4u;
    if (column < params.n) { finish(rows[row][i % 4u], c_start + (row_0 + row) * params.n + column, column); }
  }
  if (COLUMN_SUMS && group.x == 0u) {
    for (var j = 0u; j < 4u; j++) {
      if (column_0 + j < params.n) { finish_column(sums.columns[j], c_start, column_0 + j); }
    }
  }
}

// n a multiple of four: the same by vectors.
@compute @workgroup_size(LANES)
fn product_vectors(
  @builtin(workgroup_id) place: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let group = tile_of(place, grid, ROWS, COLUMNS);
  if (group.z >= params.layers) { return; }
  let sums = tile(group, lane);
  let column_0 = (group.y * LANES + lane) * 4u;
  if (column_0 >= params.n) { return; }
  let start = (group.z * params.c_size + column_0) / 4u;
  var shift = vec4<f32>();
  if (EPILOGUE && params.bias_on != 0u) { shift = bias_vectors[column_0 / 4u]; }
  var rows = sums.rows;
  let end = min((group.x + 1u) * ROWS, params.m);
  for (var row = group.x * ROWS; row < end; row++) {
    let at = start + row * (params.n / 4u);
    var y = rows[row % ROWS] + shift;
    if (EPILOGUE) {
      if (params.keep != 0u) { c_vectors[params.kept_offset / 4u + at] = vec4<C>(y); }
      if (params.activation != 0u) { y = vec4<f32>(activated(y.x), activated(y.y), activated(y.z), activated(y.w)); }
      if (params.residual_on != 0u) { y += residual_vectors[at]; }
    }
    if (params.accumulate != 0u) { y += vec4<f32>(c_vectors[at]); }
    c_vectors[at] = vec4<C>(y);
  }
  if (COLUMN_SUMS && group.x == 0u) {
    let at = start + params.m * (params.n / 4u);
    var y = sums.columns;
    if (params.accumulate != 0u) { y += vec4<f32>(c_vectors[at]); }
    c_vectors[at] = vec4<C>(y);
  }
}
