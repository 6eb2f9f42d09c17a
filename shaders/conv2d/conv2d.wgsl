// Convolution as implicit matrix products, channels last: any channel counts, no subgroups needed. The formulas and
// the shapes are those of conv2d-subgroups.wgsl, which is faster where it may be used.
//
// One invocation computes ROWS × COLUMNS results (rows are pixels, in backward_weight rows of the weight matrix; columns
// are channels) in registers. Its columns lie LANES apart, so that neighbouring lanes read and write neighbours.
//
// Grids, with row blocks = ceil(rows / (ROWS·TEAMS)) folded over x and z, TEAMS = WORKGROUP / LANES:
//   forward          row blocks of B·OH·OW, y = ceil(O / (COLUMNS·LANES))
//   backward_input   row blocks of B·ceil(H/s)·ceil(W/s), y = ceil(I / (COLUMNS·LANES)) · s·s (phases, as there)
//   backward_weight  x = ceil((KH·KW·I + 1) / (ROWS·TEAMS)), y = ceil(O / (COLUMNS·LANES)), z = splits over B·OH lines;
//                    the row behind the last weight is the bias. combine.wgsl adds up the splits

const LANES: u32 = 8; // @tune 8 16 32
const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const ROWS: u32 = 4; // @tune 2 4 8
const COLUMNS: u32 = 4; // @tune 1 2 4
const HAS_BIAS: bool = false; // @variant
const TEAMS: u32 = WORKGROUP / LANES;

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
/** In backward_input the gradient of the output. */
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
/** In backward_input the gradient of the input. */
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read> doutput: array<f32>;
@group(0) @binding(7) var<storage, read_write> partial: array<f32>;

fn gather(group: vec3<u32>, groups: vec3<u32>, local: u32, backward: bool) {
  let g = gather_of(backward);
  let phases = g.step * g.step;
  let phase = group.y % phases;
  let phase_y = phase / g.step;
  let phase_x = phase % g.step;
  let column0 = (group.y / phases) * COLUMNS * LANES + local % LANES;
  let rows = params.batch * g.high * g.wide;
  let row0 = ((group.z * groups.x + group.x) * TEAMS + local / LANES) * ROWS;
  if (row0 >= rows || column0 >= g.goal.z) {
    return;
  }

  var image: array<u32, ROWS>;
  var corner_y: array<i32, ROWS>;
  var corner_x: array<i32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    let row = row0 + r;
    let line = row / g.wide;
    let b = line / g.high;
    image[r] = b * g.source.x * g.source.y;
    // Rows past the end get a corner far outside, where every tap reads zero.
    corner_y[r] = select(-0x1000000, i32(line - b * g.high) * g.spread, row < rows);
    corner_x[r] = i32(row - line * g.wide) * g.spread;
  }
  var column: array<u32, COLUMNS>;
  for (var c = 0u; c < COLUMNS; c++) {
    column[c] = min(column0 + c * LANES, g.goal.z - 1) * select(1u, params.outputs, backward);
  }

  var sum: array<f32, ROWS * COLUMNS>;
  for (var ky = (phase_y + params.top) % g.step; ky < params.kernel_height; ky += g.step) {
    for (var kx = (phase_x + params.left) % g.step; kx < params.kernel_width; kx += g.step) {
      let shift_y = shift_of(ky, params.top, phase_y, backward);
      let shift_x = shift_of(kx, params.left, phase_x, backward);
      var inside: array<bool, ROWS>;
      var at: array<u32, ROWS>;
      for (var r = 0u; r < ROWS; r++) {
        let y = corner_y[r] + shift_y;
        let x = corner_x[r] + shift_x;
        inside[r] = y >= 0 && y < i32(g.source.x) && x >= 0 && x < i32(g.source.y);
        at[r] = select(0u, (image[r] + u32(y) * g.source.y + u32(x)) * g.source.z, inside[r]);
      }
      var w_at = (ky * params.kernel_width + kx) * params.inputs * params.outputs;
      for (var i = 0u; i < g.source.z; i++) {
        var w: array<f32, COLUMNS>;
        for (var c = 0u; c < COLUMNS; c++) {
          w[c] = weight[w_at + column[c]];
        }
        w_at += select(params.outputs, 1u, backward);
        for (var r = 0u; r < ROWS; r++) {
          let a = select(0.0, input[at[r] + i], inside[r]);
          for (var c = 0u; c < COLUMNS; c++) {
            sum[r * COLUMNS + c] = fma(a, w[c], sum[r * COLUMNS + c]);
          }
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    let row = row0 + r;
    let place = place_of(g, row, phase_y, phase_x, backward);
    if (row < rows && place != 0xffffffffu) {
      for (var c = 0u; c < COLUMNS; c++) {
        let o = column0 + c * LANES;
        if (o < g.goal.z) {
          let at = place * g.goal.z + o;
          var offset = 0.0;
          if (HAS_BIAS) {
            offset = bias[o];
          }
          if (params.accumulate != 0u) {
            output[at] += sum[r * COLUMNS + c];
          } else {
            output[at] = sum[r * COLUMNS + c] + offset;
          }
        }
      }
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  gather(group, groups, local, false);
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  gather(group, groups, local, true);
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let column0 = group.y * COLUMNS * LANES + local % LANES;
  let row0 = (group.x * TEAMS + local / LANES) * ROWS;
  let weight_rows = params.kernel_height * params.kernel_width * params.inputs;
  if (row0 > weight_rows || column0 >= params.outputs) {
    return;
  }
  var ky: array<u32, ROWS>;
  var kx: array<u32, ROWS>;
  var channel: array<u32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    let tap = (row0 + r) / params.inputs;
    channel[r] = row0 + r - tap * params.inputs;
    ky[r] = tap / params.kernel_width;
    kx[r] = tap - ky[r] * params.kernel_width;
  }
  var column: array<u32, COLUMNS>;
  for (var c = 0u; c < COLUMNS; c++) {
    column[c] = min(column0 + c * LANES, params.outputs - 1);
  }

  let lines = params.batch * params.out_height;
  let share = (lines + params.splits - 1) / params.splits;
  let first = group.z * share;
  let last = min(first + share, lines);
  var b = first / params.out_height;
  var oy = first - b * params.out_height;
  var sum: array<f32, ROWS * COLUMNS>;
  for (var line = first; line < last; line++) {
    var x_line: array<u32, ROWS>;
    var line_inside: array<bool, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      let iy = i32(oy * params.stride + ky[r]) - i32(params.top);
      line_inside[r] = row0 + r < weight_rows && iy >= 0 && iy < i32(params.height);
      x_line[r] = (b * params.height + u32(iy)) * params.width;
    }
    for (var ox = 0u; ox < params.out_width; ox++) {
      var d: array<f32, COLUMNS>;
      for (var c = 0u; c < COLUMNS; c++) {
        d[c] = doutput[(line * params.out_width + ox) * params.outputs + column[c]];
      }
      for (var r = 0u; r < ROWS; r++) {
        let ix = i32(ox * params.stride + kx[r]) - i32(params.left);
        let inside = line_inside[r] && ix >= 0 && ix < i32(params.width);
        let x_at = select(0u, (x_line[r] + u32(ix)) * params.inputs + channel[r], inside);
        let a = select(select(0.0, 1.0, row0 + r == weight_rows), input[x_at], inside);
        for (var c = 0u; c < COLUMNS; c++) {
          sum[r * COLUMNS + c] = fma(a, d[c], sum[r * COLUMNS + c]);
        }
      }
    }
    oy++;
    if (oy == params.out_height) {
      oy = 0u;
      b++;
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    for (var c = 0u; c < COLUMNS; c++) {
      if (row0 + r <= weight_rows && column0 + c * LANES < params.outputs) {
        let at = (group.z * (weight_rows + 1) + row0 + r) * params.outputs + column0 + c * LANES;
        partial[at] = sum[r * COLUMNS + c];
      }
    }
  }
}
