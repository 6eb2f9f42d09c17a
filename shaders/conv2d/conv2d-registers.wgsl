enable subgroups;
// The convolution of conv2d-subgroups.wgsl (same formulas, shapes and parameters) for software adapters with subgroups of four
// lanes, computed as products are in matmul-registers.wgsl: four lanes to 16 × 16 results, four terms of the sums a round.
//
// Grids, in workgroups of four lanes, numbered along x and y, with the columns fastest:
//   gather           forward, and with BACKWARD the gradient of the input: stride² phases of ⌈pixels of a phase / 16⌉ by ⌈columns / 16⌉
//   backward_weight  splits over the B·OH lines, each ⌈KH·KW·I / 16⌉ by ⌈O / 16⌉; partial has the bias behind the weights

const BACKWARD: bool = false; // @variant
const HAS_BIAS: bool = false; // @variant

// @shared conv2d-params
struct Params {
  batch: u32,
  height: u32,
  width: u32,
  /** Channels in and out; in the other files than conv2d.wgsl in vec4s. */
  inputs: u32,
  outputs: u32,
  out_height: u32,
  out_width: u32,
  kernel_height: u32,
  kernel_width: u32,
  stride: u32,
  top: u32,
  left: u32,
  accumulate: u32,
  splits: u32,
}

/** A convolution, or backward the gradient of its input: both gather, for each pixel of the target, from pixels of the source. */
struct Gather {
  /** Height, width, channels. */
  source: vec3<u32>,
  goal: vec3<u32>,
  /** Every so many pixels of the target and taps go together: a phase. */
  step: u32,
  /** Pixels of the source from one of the phase to the next. */
  spread: i32,
  /** Of a phase. */
  high: u32,
  wide: u32,
}

fn gather_of(backward: bool) -> Gather {
  let x = vec3<u32>(params.height, params.width, params.inputs);
  let y = vec3<u32>(params.out_height, params.out_width, params.outputs);
  let step = params.stride;
  if (backward) { return Gather(y, x, step, 1, (x.x + step - 1u) / step, (x.y + step - 1u) / step); }
  return Gather(x, y, 1u, i32(step), y.x, y.y);
}

/** Pixels from a pixel of a phase to what a tap reads there. */
fn shift_of(tap: u32, border: u32, phase: u32, backward: bool) -> i32 {
  let distance = i32(tap) - i32(border);
  // Exact: numerator and stride agree modulo the stride.
  if (backward) { return (i32(phase) - distance) / i32(params.stride); }
  return distance;
}

/** Where a pixel of a phase lies in the target, in pixels; the largest number beyond its edge. */
fn place_of(g: Gather, row: u32, phase_y: u32, phase_x: u32, backward: bool) -> u32 {
  if (!backward) { return row; }
  let line = row / g.wide;
  let b = line / g.high;
  let y = (line - b * g.high) * g.step + phase_y;
  let x = (row - line * g.wide) * g.step + phase_x;
  return select(0xffffffffu, (b * g.goal.x + y) * g.goal.y + x, y < g.goal.x && x < g.goal.y);
}
// @end shared

@group(0) @binding(0) var<uniform> params: Params;
// With BACKWARD dy, and the gradient of the input.
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> doutput: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> partial: array<vec4<f32>>;

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

fn seen(value: vec4<f32>, inside: bool) -> vec4<f32> {
  return select(vec4<f32>(), value, inside);
}

@compute @workgroup_size(4)
fn gather(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let g = gather_of(BACKWARD);
  let number = group.y * groups.x + group.x;
  let across = (g.goal.z + 3u) / 4u;
  let phase = number / across % (g.step * g.step);
  let phase_y = phase / g.step;
  let phase_x = phase % g.step;
  let column_0 = number % across * 4u;
  let column = min(column_0 + lane, g.goal.z - 1u);
  let rows = params.batch * g.high * g.wide;
  let row0 = number / (across * g.step * g.step) * 16u + 4u * lane;
  let row = row0 + FOUR;
  let line = row / g.wide;
  let image = line / g.high;
  // Rows past the end get a corner far outside, where every tap reads zero.
  let corner_y = select(vec4<i32>(-0x1000000), vec4<i32>(line - image * g.high) * g.spread, image < vec4<u32>(params.batch));
  let corner_x = vec4<i32>(row - line * g.wide) * g.spread;
  let size = vec3<i32>(g.source);
  let outputs = params.outputs;

  var sum = Quad();
  for (var ky = (phase_y + params.top) % g.step; ky < params.kernel_height; ky += g.step) {
    for (var kx = (phase_x + params.left) % g.step; kx < params.kernel_width; kx += g.step) {
      let y = corner_y + shift_of(ky, params.top, phase_y, BACKWARD);
      let x = corner_x + shift_of(kx, params.left, phase_x, BACKWARD);
      let none = vec4<i32>();
      let inside = (y >= none) & (y < vec4<i32>(size.x)) & (x >= none) & (x < vec4<i32>(size.y));
      let pixel = select(vec4<u32>(), ((image * g.source.x + vec4<u32>(y)) * g.source.y + vec4<u32>(x)) * g.source.z, inside);
      let tap = (ky * params.kernel_width + kx) * params.inputs;
      for (var i = 0u; i < g.source.z; i++) {
        let at = pixel + i;
        let left = mat4x4<f32>(seen(input[at.x], inside.x), seen(input[at.y], inside.y), seen(input[at.z], inside.z), seen(input[at.w], inside.w));
        var w = (4u * (tap + i) + FOUR) * outputs + column;
        if (BACKWARD) { w = (4u * (tap + column) + FOUR) * outputs + i; }
        var right = mat4x4<f32>(weight[w.x], weight[w.y], weight[w.z], weight[w.w]);
        if (BACKWARD) { right = transpose(right); }
        sum = add_products(sum, left, right);
      }
    }
  }
  keep_all(sum);
  for (var r = 0u; r < 4u; r++) {
    let row = row0 + r;
    let place = place_of(g, row, phase_y, phase_x, BACKWARD);
    if (row < rows && place != 0xffffffffu) {
      for (var e = 0u; e < 4u; e++) {
        let o = column_0 + (lane ^ e);
        if (o < g.goal.z) {
          let at = place * g.goal.z + o;
          var value = sums[4u * r + e];
          if (HAS_BIAS) { value += bias[o]; }
          if (params.accumulate != 0u) { value += output[at]; }
          output[at] = value;
        }
      }
    }
  }
}

@compute @workgroup_size(4)
fn backward_weight(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let number = group.y * groups.x + group.x;
  let weight_rows = params.kernel_height * params.kernel_width * params.inputs;
  let across = (params.outputs + 3u) / 4u;
  let down = (weight_rows + 3u) / 4u;
  let split = number / (across * down);
  if (split >= params.splits) { return; }
  let row_0 = number / across % down * 4u + lane;
  let column_0 = number % across * 4u;
  let column = min(column_0 + lane, params.outputs - 1u);
  // The lane's four rows are a vector of one tap.
  let own = min(row_0, weight_rows - 1u);
  let own_i = own % params.inputs;
  let tap = own / params.inputs;
  let ky = i32(tap / params.kernel_width) - i32(params.top);
  let kx = i32(tap % params.kernel_width) - i32(params.left);

  let lines = params.batch * params.out_height;
  let share = (lines + params.splits - 1u) / params.splits;
  let last = min((split + 1u) * share, lines);
  let outputs = params.outputs;
  let inputs = params.inputs;
  let wide = params.out_width;
  let width = vec4<i32>(i32(params.width));
  let stride = params.stride;
  var sum = Quad();
  var column_sums = vec4<f32>();
  for (var line = split * share; line < last; line++) {
    let b = line / params.out_height;
    let y = i32((line - b * params.out_height) * stride) + ky;
    let line_inside = y >= 0 && y < i32(params.height);
    let x_line = (b * params.height + u32(y)) * params.width;
    for (var ox = 0u; ox < wide; ox += 4u) {
      let counts = ox + FOUR < vec4<u32>(wide);
      let near = min(ox + FOUR, vec4<u32>(wide - 1u));
      let x = vec4<i32>(near * stride) + kx;
      let inside = vec4<bool>(line_inside) & counts & (x >= vec4<i32>()) & (x < width);
      let at = select(vec4<u32>(), (x_line + vec4<u32>(x)) * inputs + own_i, inside);
      let left = transpose(mat4x4<f32>(
        seen(input[at.x], inside.x), seen(input[at.y], inside.y), seen(input[at.z], inside.z), seen(input[at.w], inside.w)
      ));
      let d = (line * wide + near) * outputs + column;
      let right = mat4x4<f32>(doutput[d.x], doutput[d.y], doutput[d.z], doutput[d.w]);
      sum = add_products(sum, left, right);
      column_sums += (right[0] + seen(right[1], counts.y)) + (seen(right[2], counts.z) + seen(right[3], counts.w));
    }
  }
  keep_all(sum);
  let part = split * (4u * weight_rows + 1u);
  if (row_0 < weight_rows) {
    for (var e = 0u; e < 16u; e++) {
      let c = column_0 + (lane ^ (e % 4u));
      if (c < outputs) { partial[(part + 4u * row_0 + e / 4u) * outputs + c] = sums[e]; }
    }
  }
  if (row_0 < 4u && column_0 + lane < outputs) {
    partial[(part + 4u * weight_rows) * outputs + column] = column_sums;
  }
}
