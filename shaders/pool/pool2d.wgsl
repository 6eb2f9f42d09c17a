// Pooling of pictures, channels last: the maximum or the mean of a window.
//
//   y[b, oy, ox, c] = max or mean over (ky, kx) of x[b, oy·sh + ky - top, ox·sw + kx - left, c]
//   dx[b, iy, ix, c] = the sum over the windows that hold (iy, ix) of dy, where it is the first largest element of the window
//                      (max), or of dy / count (mean)
//
// Places outside the picture do not take part in a maximum; in a mean they count as zeros with COUNT_PADDING, else they do not
// count. Every window has a place inside. The gradient gathers: each element is written once, in a fixed order of windows.
// x, dx [B, H, W, C], y, dy [B, OH, OW, C]; `places` [B, OH, OW, C]: ky·kernel_width + kx of the maximum. One invocation an
// element; neighbours have neighbouring channels, so loads are coalesced.
// Grids: maximum, mean: groups1d(elements of y, WORKGROUP); backward_maximum, backward_mean: groups1d(elements of x, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 64 128 256
// Whether a mean divides by the size of the window also where that lies partly outside.
const COUNT_PADDING: bool = false; // @variant

struct Params {
  batch: u32,
  height: u32,
  width: u32,
  channels: u32,
  out_height: u32,
  out_width: u32,
  kernel_height: u32,
  kernel_width: u32,
  stride_y: u32,
  stride_x: u32,
  top: u32,
  left: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read_write> places: array<u32>;

/// An element of a picture or of a result.
struct Place {
  batch: u32,
  y: u32,
  x: u32,
  channel: u32,
}

fn place_of(index: u32, height: u32, width: u32) -> Place {
  let pixel = index / params.channels;
  return Place(pixel / width / height, pixel / width % height, pixel % width, index % params.channels);
}

/// Which places of a window of `size` from `first - before` on lie inside `length`: from, to.
fn inside(first: u32, before: u32, size: u32, length: u32) -> vec2<u32> {
  return vec2<u32>(before - min(before, first), min(size, length + before - first));
}

fn rows_of(oy: u32) -> vec2<u32> {
  return inside(oy * params.stride_y, params.top, params.kernel_height, params.height);
}

fn columns_of(ox: u32) -> vec2<u32> {
  return inside(ox * params.stride_x, params.left, params.kernel_width, params.width);
}

/// Element of x at a place of a window.
fn input_at(window: Place, ky: u32, kx: u32) -> u32 {
  let line = window.batch * params.height + window.y * params.stride_y + ky - params.top;
  return (line * params.width + window.x * params.stride_x + kx - params.left) * params.channels + window.channel;
}

@compute @workgroup_size(WORKGROUP)
fn maximum(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  let window = place_of(i, params.out_height, params.out_width);
  if (window.batch >= params.batch) {
    return;
  }
  let rows = rows_of(window.y);
  let columns = columns_of(window.x);
  var best = input[input_at(window, rows.x, columns.x)];
  var found = rows.x * params.kernel_width + columns.x;
  for (var ky = rows.x; ky < rows.y; ky++) {
    for (var kx = columns.x; kx < columns.y; kx++) {
      let value = input[input_at(window, ky, kx)];
      // Not a number is taken and kept: nothing is larger. Asked by bits, since some drivers compare it otherwise.
      if (value > best || (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u) {
        best = value;
        found = ky * params.kernel_width + kx;
      }
    }
  }
  output[i] = best;
  places[i] = found;
}

/// 1 / the number of places that a mean is taken over.
fn share(rows: vec2<u32>, columns: vec2<u32>) -> f32 {
  if (COUNT_PADDING) {
    return 1.0 / f32(params.kernel_height * params.kernel_width);
  }
  return 1.0 / f32((rows.y - rows.x) * (columns.y - columns.x));
}

@compute @workgroup_size(WORKGROUP)
fn mean(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  let window = place_of(i, params.out_height, params.out_width);
  if (window.batch >= params.batch) {
    return;
  }
  let rows = rows_of(window.y);
  let columns = columns_of(window.x);
  var sum = 0.0;
  for (var ky = rows.x; ky < rows.y; ky++) {
    for (var kx = columns.x; kx < columns.y; kx++) {
      sum += input[input_at(window, ky, kx)];
    }
  }
  output[i] = sum * share(rows, columns);
}

@group(0) @binding(1) var<storage, read> doutput: array<f32>;
@group(0) @binding(2) var<storage, read> saved_places: array<u32>;
@group(0) @binding(3) var<storage, read_write> dinput: array<f32>;

/// The windows of `size` places, `stride` apart, that hold place `at`, counted with the padding: from, to.
fn windows(at: u32, size: u32, stride: u32, count: u32) -> vec2<u32> {
  let begin = max(at, size - 1u) - (size - 1u);
  return vec2<u32>((begin + stride - 1u) / stride, min(at / stride + 1u, count));
}

fn store(i: u32, gradient: f32) {
  var sum = gradient;
  if (params.accumulate != 0u) {
    sum += dinput[i];
  }
  dinput[i] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn backward_maximum(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  let place = place_of(i, params.height, params.width);
  if (place.batch >= params.batch) {
    return;
  }
  let y = place.y + params.top;
  let x = place.x + params.left;
  let lines = windows(y, params.kernel_height, params.stride_y, params.out_height);
  let along = windows(x, params.kernel_width, params.stride_x, params.out_width);
  var sum = 0.0;
  for (var oy = lines.x; oy < lines.y; oy++) {
    for (var ox = along.x; ox < along.y; ox++) {
      let at = ((place.batch * params.out_height + oy) * params.out_width + ox) * params.channels + place.channel;
      let own = (y - oy * params.stride_y) * params.kernel_width + x - ox * params.stride_x;
      sum += select(0.0, doutput[at], saved_places[at] == own);
    }
  }
  store(i, sum);
}

@compute @workgroup_size(WORKGROUP)
fn backward_mean(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  let place = place_of(i, params.height, params.width);
  if (place.batch >= params.batch) {
    return;
  }
  let lines = windows(place.y + params.top, params.kernel_height, params.stride_y, params.out_height);
  let along = windows(place.x + params.left, params.kernel_width, params.stride_x, params.out_width);
  var sum = 0.0;
  for (var oy = lines.x; oy < lines.y; oy++) {
    let rows = rows_of(oy);
    for (var ox = along.x; ox < along.y; ox++) {
      let at = ((place.batch * params.out_height + oy) * params.out_width + ox) * params.channels + place.channel;
      sum += doutput[at] * share(rows, columns_of(ox));
    }
  }
  store(i, sum);
}
