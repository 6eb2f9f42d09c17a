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
//                    the row behind the last weight is the bias
//   reduce_weight    groups1d((KH·KW·I + 1)·O, REDUCE_WORKGROUP): adds up the splits in their order

const LANES: u32 = 8; // @tune 8 16 32
const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const ROWS: u32 = 4; // @tune 2 4 8
const COLUMNS: u32 = 4; // @tune 1 2 4
const REDUCE_WORKGROUP: u32 = 64; // @tune 64 128 256
const HAS_BIAS: bool = false; // @variant
const TEAMS: u32 = WORKGROUP / LANES;

struct Params {
  batch: u32,
  height: u32,
  width: u32,
  channels: u32,
  out_channels: u32,
  out_height: u32,
  out_width: u32,
  kernel_height: u32,
  kernel_width: u32,
  stride: u32,
  top: u32,
  left: u32,
  accumulate: u32,
  accumulate_bias: u32,
  splits: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read> doutput: array<f32>;
@group(0) @binding(6) var<storage, read_write> dinput: array<f32>;
@group(0) @binding(7) var<storage, read_write> partial: array<f32>;
@group(0) @binding(8) var<storage, read> slices: array<f32>;
@group(0) @binding(9) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(10) var<storage, read_write> dbias: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let column0 = group.y * COLUMNS * LANES + local % LANES;
  let rows = params.batch * params.out_height * params.out_width;
  let row0 = ((group.z * groups.x + group.x) * TEAMS + local / LANES) * ROWS;
  if (row0 >= rows || column0 >= params.out_channels) {
    return;
  }

  var image: array<u32, ROWS>;
  var corner_y: array<i32, ROWS>;
  var corner_x: array<i32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    let line = (row0 + r) / params.out_width;
    let b = line / params.out_height;
    image[r] = b * params.height * params.width;
    // Rows past the end get a corner far outside, where every tap reads zero.
    corner_y[r] = select(
      -0x1000000,
      i32((line - b * params.out_height) * params.stride) - i32(params.top),
      row0 + r < rows,
    );
    corner_x[r] = i32((row0 + r - line * params.out_width) * params.stride) - i32(params.left);
  }
  var column: array<u32, COLUMNS>;
  for (var c = 0u; c < COLUMNS; c++) {
    column[c] = min(column0 + c * LANES, params.out_channels - 1);
  }

  var sum: array<f32, ROWS * COLUMNS>;
  var w_at = 0u;
  for (var ky = 0u; ky < params.kernel_height; ky++) {
    for (var kx = 0u; kx < params.kernel_width; kx++) {
      var inside: array<bool, ROWS>;
      var x_at: array<u32, ROWS>;
      for (var r = 0u; r < ROWS; r++) {
        let iy = corner_y[r] + i32(ky);
        let ix = corner_x[r] + i32(kx);
        inside[r] = iy >= 0 && iy < i32(params.height) && ix >= 0 && ix < i32(params.width);
        x_at[r] = select(0u, (image[r] + u32(iy) * params.width + u32(ix)) * params.channels, inside[r]);
      }
      for (var i = 0u; i < params.channels; i++) {
        var w: array<f32, COLUMNS>;
        for (var c = 0u; c < COLUMNS; c++) {
          w[c] = weight[w_at + column[c]];
        }
        w_at += params.out_channels;
        for (var r = 0u; r < ROWS; r++) {
          let a = select(0.0, input[x_at[r] + i], inside[r]);
          for (var c = 0u; c < COLUMNS; c++) {
            sum[r * COLUMNS + c] = fma(a, w[c], sum[r * COLUMNS + c]);
          }
        }
      }
    }
  }

  for (var c = 0u; c < COLUMNS; c++) {
    let o = column0 + c * LANES;
    if (o < params.out_channels) {
      var offset = 0.0;
      if (HAS_BIAS) {
        offset = bias[o];
      }
      for (var r = 0u; r < ROWS; r++) {
        if (row0 + r < rows) {
          output[(row0 + r) * params.out_channels + o] = sum[r * COLUMNS + c] + offset;
        }
      }
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let phases = params.stride * params.stride;
  let phase = group.y % phases;
  let phase_y = phase / params.stride;
  let phase_x = phase % params.stride;
  let column0 = (group.y / phases) * COLUMNS * LANES + local % LANES;
  let phase_height = (params.height + params.stride - 1) / params.stride;
  let phase_width = (params.width + params.stride - 1) / params.stride;
  let rows = params.batch * phase_height * phase_width;
  let row0 = ((group.z * groups.x + group.x) * TEAMS + local / LANES) * ROWS;
  if (row0 >= rows || column0 >= params.channels) {
    return;
  }

  var image: array<u32, ROWS>;
  var pixel_y: array<i32, ROWS>;
  var pixel_x: array<i32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    let line = (row0 + r) / phase_width;
    let b = line / phase_height;
    image[r] = b;
    pixel_y[r] = select(-0x1000000, i32(line - b * phase_height), row0 + r < rows);
    pixel_x[r] = i32(row0 + r - line * phase_width);
  }
  var column: array<u32, COLUMNS>;
  for (var c = 0u; c < COLUMNS; c++) {
    column[c] = min(column0 + c * LANES, params.channels - 1) * params.out_channels;
  }

  var sum: array<f32, ROWS * COLUMNS>;
  for (var ky = (phase_y + params.top) % params.stride; ky < params.kernel_height; ky += params.stride) {
    for (var kx = (phase_x + params.left) % params.stride; kx < params.kernel_width; kx += params.stride) {
      let shift_y = (i32(phase_y + params.top) - i32(ky)) / i32(params.stride);
      let shift_x = (i32(phase_x + params.left) - i32(kx)) / i32(params.stride);
      var inside: array<bool, ROWS>;
      var dy_at: array<u32, ROWS>;
      for (var r = 0u; r < ROWS; r++) {
        let oy = pixel_y[r] + shift_y;
        let ox = pixel_x[r] + shift_x;
        inside[r] = oy >= 0 && oy < i32(params.out_height) && ox >= 0 && ox < i32(params.out_width);
        dy_at[r] = select(
          0u,
          ((image[r] * params.out_height + u32(oy)) * params.out_width + u32(ox)) * params.out_channels,
          inside[r],
        );
      }
      let w_at = (ky * params.kernel_width + kx) * params.channels * params.out_channels;
      for (var o = 0u; o < params.out_channels; o++) {
        var w: array<f32, COLUMNS>;
        for (var c = 0u; c < COLUMNS; c++) {
          w[c] = weight[w_at + column[c] + o];
        }
        for (var r = 0u; r < ROWS; r++) {
          let a = select(0.0, doutput[dy_at[r] + o], inside[r]);
          for (var c = 0u; c < COLUMNS; c++) {
            sum[r * COLUMNS + c] = fma(a, w[c], sum[r * COLUMNS + c]);
          }
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    let iy = u32(pixel_y[r]) * params.stride + phase_y;
    let ix = u32(pixel_x[r]) * params.stride + phase_x;
    if (row0 + r < rows && iy < params.height && ix < params.width) {
      for (var c = 0u; c < COLUMNS; c++) {
        let i = column0 + c * LANES;
        if (i < params.channels) {
          let at = ((image[r] * params.height + iy) * params.width + ix) * params.channels + i;
          if (params.accumulate != 0u) {
            dinput[at] += sum[r * COLUMNS + c];
          } else {
            dinput[at] = sum[r * COLUMNS + c];
          }
        }
      }
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let column0 = group.y * COLUMNS * LANES + local % LANES;
  let row0 = (group.x * TEAMS + local / LANES) * ROWS;
  let weight_rows = params.kernel_height * params.kernel_width * params.channels;
  if (row0 > weight_rows || column0 >= params.out_channels) {
    return;
  }
  var ky: array<u32, ROWS>;
  var kx: array<u32, ROWS>;
  var channel: array<u32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    let tap = (row0 + r) / params.channels;
    channel[r] = row0 + r - tap * params.channels;
    ky[r] = tap / params.kernel_width;
    kx[r] = tap - ky[r] * params.kernel_width;
  }
  var column: array<u32, COLUMNS>;
  for (var c = 0u; c < COLUMNS; c++) {
    column[c] = min(column0 + c * LANES, params.out_channels - 1);
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
        d[c] = doutput[(line * params.out_width + ox) * params.out_channels + column[c]];
      }
      for (var r = 0u; r < ROWS; r++) {
        let ix = i32(ox * params.stride + kx[r]) - i32(params.left);
        let inside = line_inside[r] && ix >= 0 && ix < i32(params.width);
        let x_at = select(0u, (x_line[r] + u32(ix)) * params.channels + channel[r], inside);
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
      if (row0 + r <= weight_rows && column0 + c * LANES < params.out_channels) {
        let at = (group.z * (weight_rows + 1) + row0 + r) * params.out_channels + column0 + c * LANES;
        partial[at] = sum[r * COLUMNS + c];
      }
    }
  }
}

@compute @workgroup_size(REDUCE_WORKGROUP)
fn reduce_weight(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
) {
  let i = (group.y * groups.x + group.x) * REDUCE_WORKGROUP + local.x;
  let weights = params.kernel_height * params.kernel_width * params.channels * params.out_channels;
  let count = weights + params.out_channels;
  if (i >= count) {
    return;
  }
  var sum = 0.0;
  for (var s = 0u; s < params.splits; s++) {
    sum += slices[s * count + i];
  }
  if (i < weights) {
    if (params.accumulate != 0u) {
      sum += dweight[i];
    }
    dweight[i] = sum;
  } else {
    if (params.accumulate_bias != 0u) {
      sum += dbias[i - weights];
    }
    dbias[i - weights] = sum;
  }
}
