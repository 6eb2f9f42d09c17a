// Convolution in groups of channels, channels last: output channel o reads the input channels of its group alone.
//
//   y[b, oy, ox, o] = bias[o] + Σ x[b, oy·s + ky - top, ox·s + kx - left, g(o)·I + i] · weight[ky, kx, i, o],  i < I
//   dx[b, iy, ix, g·I + i] = Σ dy[b, oy, ox, o] · weight[ky, kx, i, o] over the taps that hold (iy, ix) and o of group g
//   dweight[ky, kx, i, o] = Σ x[b, oy·s + ky - top, …, g(o)·I + i] · dy[b, oy, ox, o],  dbias[o] = Σ dy[b, oy, ox, o]
//
// x [B, H, W, groups·I], weight [KH, KW, I, O], y [B, OH, OW, O], O = groups·P; g(o) = ⌊o / P⌋. I = 1 is a depthwise convolution.
// Neighbouring invocations have neighbouring channels: loads of y, weight and, in a depthwise convolution, x are coalesced; else
// a group's invocations read the same element of x. PIXELS pixels of a line share each load of a weight.
// partial [splits, KH·KW·I + 1, O]: the last row of each part is that of the bias; shaders/reduce/combine.wgsl adds up the parts.
// Grids: forward: groups1d(B·OH·⌈OW / PIXELS⌉·O, WORKGROUP); backward_input: groups1d(B·H·⌈W / PIXELS⌉·groups·I, WORKGROUP);
// backward_weight: groups1d(splits·(KH·KW·I + 1)·O, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const PIXELS: u32 = 4; // @tune 1 2 4 8
const HAS_BIAS: bool = false; // @variant

struct Params {
  batch: u32,
  height: u32,
  width: u32,
  group_count: u32,
  inputs: u32, // I, of a group
  outputs: u32, // O, of all groups
  out_height: u32,
  out_width: u32,
  kernel_height: u32,
  kernel_width: u32,
  stride_y: u32,
  stride_x: u32,
  top: u32,
  left: u32,
  splits: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

/// The first input channel of the group of output channel `o`.
fn first_input(o: u32) -> u32 {
  return o / (params.outputs / params.group_count) * params.inputs;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let blocks = (params.out_width + PIXELS - 1u) / PIXELS;
  let o = index % params.outputs;
  let first = index / params.outputs % blocks * PIXELS;
  let line = index / params.outputs / blocks;
  if (line >= params.batch * params.out_height) {
    return;
  }
  let b = line / params.out_height;
  let oy = line % params.out_height;
  let channels = params.group_count * params.inputs;
  let own = first_input(o);
  var sum = array<f32, PIXELS>();
  for (var ky = 0u; ky < params.kernel_height; ky++) {
    // Above the picture it wraps round to a large number.
    let iy = oy * params.stride_y + ky - params.top;
    if (iy >= params.height) {
      continue;
    }
    for (var kx = 0u; kx < params.kernel_width; kx++) {
      for (var i = 0u; i < params.inputs; i++) {
        let w = weight[((ky * params.kernel_width + kx) * params.inputs + i) * params.outputs + o];
        for (var p = 0u; p < PIXELS; p++) {
          let ix = (first + p) * params.stride_x + kx - params.left;
          if (ix < params.width) {
            sum[p] += w * input[((b * params.height + iy) * params.width + ix) * channels + own + i];
          }
        }
      }
    }
  }
  for (var p = 0u; p < PIXELS; p++) {
    if (first + p < params.out_width) {
      var y = sum[p];
      if (HAS_BIAS) {
        y += bias[o];
      }
      output[(line * params.out_width + first + p) * params.outputs + o] = y;
    }
  }
}

@group(0) @binding(1) var<storage, read> doutput: array<f32>;
@group(0) @binding(3) var<storage, read_write> dinput: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let channels = params.group_count * params.inputs;
  let blocks = (params.width + PIXELS - 1u) / PIXELS;
  let channel = index % channels;
  let first = index / channels % blocks * PIXELS;
  let line = index / channels / blocks;
  if (line >= params.batch * params.height) {
    return;
  }
  let b = line / params.height;
  let iy = line % params.height;
  let i = channel % params.inputs;
  let own_outputs = params.outputs / params.group_count;
  let first_output = channel / params.inputs * own_outputs;
  var sum = array<f32, PIXELS>();
  for (var ky = 0u; ky < params.kernel_height; ky++) {
    // The row of the result that this tap joins to iy, if there is one.
    let y = iy + params.top - ky;
    let oy = y / params.stride_y;
    if (iy + params.top < ky || y % params.stride_y != 0u || oy >= params.out_height) {
      continue;
    }
    for (var kx = 0u; kx < params.kernel_width; kx++) {
      for (var o = first_output; o < first_output + own_outputs; o++) {
        let w = weight[((ky * params.kernel_width + kx) * params.inputs + i) * params.outputs + o];
        for (var p = 0u; p < PIXELS; p++) {
          let x = first + p + params.left - kx;
          let ox = x / params.stride_x;
          if (first + p + params.left >= kx && x % params.stride_x == 0u && ox < params.out_width) {
            sum[p] += w * doutput[((b * params.out_height + oy) * params.out_width + ox) * params.outputs + o];
          }
        }
      }
    }
  }
  for (var p = 0u; p < PIXELS; p++) {
    if (first + p < params.width) {
      let at = (line * params.width + first + p) * channels + channel;
      var dx = sum[p];
      if (params.accumulate != 0u) {
        dx += dinput[at];
      }
      dinput[at] = dx;
    }
  }
}

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let weight_rows = params.kernel_height * params.kernel_width * params.inputs;
  let o = index % params.outputs;
  let row = index / params.outputs % (weight_rows + 1u);
  let split = index / params.outputs / (weight_rows + 1u);
  if (split >= params.splits) {
    return;
  }
  let of_bias = row == weight_rows;
  let kx = row / params.inputs % params.kernel_width;
  let ky = row / params.inputs / params.kernel_width;
  let channels = params.group_count * params.inputs;
  let channel = first_input(o) + row % params.inputs;
  let lines = params.batch * params.out_height;
  let length = (lines + params.splits - 1u) / params.splits;
  var sum = 0.0;
  for (var line = split * length; line < min((split + 1u) * length, lines); line++) {
    let b = line / params.out_height;
    let iy = line % params.out_height * params.stride_y + ky - params.top;
    if (!of_bias && iy >= params.height) {
      continue;
    }
    for (var ox = 0u; ox < params.out_width; ox++) {
      let gradient = dy[(line * params.out_width + ox) * params.outputs + o];
      let ix = ox * params.stride_x + kx - params.left;
      if (of_bias) {
        sum += gradient;
      } else if (ix < params.width) {
        sum += gradient * input[((b * params.height + iy) * params.width + ix) * channels + channel];
      }
    }
  }
  partial[index] = sum;
}
