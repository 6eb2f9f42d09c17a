// Group normalisation, channels last, with an optional SiLU behind it.
//
//   t = (x − μ)·ρ·w[c] + b[c],  μ and ρ = 1/√(variance + ε) over the pixels and channels of one (image, group);  y = act(t)
//   With n = dy·act'(t), x̂ = (x − μ)·ρ and N numbers in a group:
//   db[c] = Σ n,  dw[c] = Σ n·x̂,  dx = ρ·(w·n − A − x̂·B),  A = Σ w·n / N,  B = Σ w·n·x̂ / N
//
// x and y [B, P pixels, C channels]; a column is one Element (4 channels, or 1 where C is not divisible by 4). All sums
// have two levels: pixels of a chunk per channel, then chunks and channels of a group; the variance is summed about
// the mean at both, so a large mean costs no digits. Per (image, channel): center = μ, scale = ρ·w; statistics holds
// (μ, ρ) per (image, group).
//
// Grids: statistics, backward_sums groups1d(B·chunks·columns, WORKGROUP); combine, backward_combine groups1d(B·groups,
//   WORKGROUP); forward, backward_input groups1d(B·ceil(P/PIXELS)·columns, WORKGROUP); backward_parameters
//   groups1d(C, WORKGROUP).

alias Element = vec4<f32>; // @variant vector=vec4<f32> scalar=f32
const ACTIVATION: u32 = 0; // @variant none=0 silu=1
const WORKGROUP: u32 = 64; // @tune 64 128 256
const PIXELS: u32 = 8; // @tune 1 2 4 8 16

struct Params {
  batch: u32,
  pixels: u32,
  channels: u32,
  columns: u32,
  group_count: u32,
  chunks: u32,
  chunk_pixels: u32,
  epsilon: f32,
  accumulate: u32,
  accumulate_bias: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read> doutput: array<Element>;
@group(0) @binding(3) var<storage, read_write> chunk_sums: array<Element>;
/** The same memory, number by number. */
@group(0) @binding(4) var<storage, read> chunk_values: array<f32>;
@group(0) @binding(5) var<storage, read> weight: array<f32>;
@group(0) @binding(6) var<storage, read_write> statistics_out: array<f32>;
@group(0) @binding(7) var<storage, read_write> center_out: array<f32>;
@group(0) @binding(8) var<storage, read_write> scale_out: array<f32>;
@group(0) @binding(9) var<storage, read> center: array<Element>;
@group(0) @binding(10) var<storage, read> scale: array<Element>;
@group(0) @binding(11) var<storage, read> bias: array<Element>;
@group(0) @binding(12) var<storage, read_write> output: array<Element>;
@group(0) @binding(13) var<storage, read> mean_and_rstd: array<f32>;
@group(0) @binding(14) var<storage, read_write> slope_out: array<f32>;
@group(0) @binding(15) var<storage, read_write> offset_out: array<f32>;
@group(0) @binding(16) var<storage, read> slope: array<Element>;
@group(0) @binding(17) var<storage, read> offset: array<Element>;
@group(0) @binding(18) var<storage, read_write> dinput: array<Element>;
@group(0) @binding(19) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(20) var<storage, read_write> dbias: array<f32>;

fn activate(t: Element) -> Element {
  if (ACTIVATION == 1) {
    return t / (Element(1.0) + exp(-t));
  }
  return t;
}

/** act'(t). */
fn activation_slope(t: Element) -> Element {
  if (ACTIVATION == 1) {
    let s = Element(1.0) / (Element(1.0) + exp(-t));
    return s * (Element(1.0) + t * (Element(1.0) - s));
  }
  return Element(1.0);
}

fn linear_index(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

/** Where the first of the two sums of a (image, chunk, channel) lies among chunk_values; the second is `width` behind. */
fn chunk_at(b: u32, chunk: u32, channel: u32, width: u32) -> u32 {
  return ((b * params.chunks + chunk) * params.columns + channel / width) * 2u * width + channel % width;
}

/** Writes, per (image, chunk, channel), mean and Σ(x − mean)² over the pixels of the chunk. */
@compute @workgroup_size(WORKGROUP)
fn statistics(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = linear_index(group, groups, local);
  if (i >= params.batch * params.chunks * params.columns) {
    return;
  }
  let chunk = i / params.columns;
  let b = chunk / params.chunks;
  let first = (chunk - b * params.chunks) * params.chunk_pixels;
  let count = min(params.chunk_pixels, params.pixels - first);
  var at = (b * params.pixels + first) * params.columns + i % params.columns;
  // Sums about the first value: exact enough whatever the mean, since it lies among the values.
  let about = input[at];
  var sum = Element(0.0);
  var squares = Element(0.0);
  for (var p = 1u; p < count; p++) {
    at += params.columns;
    let d = input[at] - about;
    sum += d;
    squares += d * d;
  }
  let mean = sum / f32(count);
  chunk_sums[2u * i] = about + mean;
  chunk_sums[2u * i + 1u] = max(squares - sum * mean, Element(0.0));
}

@compute @workgroup_size(WORKGROUP)
fn combine(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = linear_index(group, groups, local);
  if (i >= params.batch * params.group_count) {
    return;
  }
  let b = i / params.group_count;
  let width = params.channels / params.columns;
  let size = params.channels / params.group_count;
  let first = (i % params.group_count) * size;
  let total = f32(size) * f32(params.pixels);
  var mean = 0.0;
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    let count = f32(min(params.chunk_pixels, params.pixels - chunk * params.chunk_pixels));
    for (var c = first; c < first + size; c++) {
      mean += count * chunk_values[chunk_at(b, chunk, c, width)];
    }
  }
  mean /= total;
  var squares = 0.0;
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    let count = f32(min(params.chunk_pixels, params.pixels - chunk * params.chunk_pixels));
    for (var c = first; c < first + size; c++) {
      let at = chunk_at(b, chunk, c, width);
      let d = chunk_values[at] - mean;
      squares += chunk_values[at + width] + count * d * d;
    }
  }
  let rstd = inverseSqrt(squares / total + params.epsilon);
  statistics_out[2u * i] = mean;
  statistics_out[2u * i + 1u] = rstd;
  for (var c = first; c < first + size; c++) {
    center_out[b * params.channels + c] = mean;
    scale_out[b * params.channels + c] = rstd * weight[c];
  }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = linear_index(group, groups, local);
  let blocks = (params.pixels + PIXELS - 1) / PIXELS;
  if (i >= params.batch * blocks * params.columns) {
    return;
  }
  let stretch = i / params.columns;
  let column = i - stretch * params.columns;
  let b = stretch / blocks;
  let first = (stretch - b * blocks) * PIXELS;
  let m = center[b * params.columns + column];
  let s = scale[b * params.columns + column];
  let o = bias[column];
  let last = min(first + PIXELS, params.pixels);
  var at = (b * params.pixels + first) * params.columns + column;
  for (var p = first; p < last; p++) {
    output[at] = activate((input[at] - m) * s + o);
    at += params.columns;
  }
}

/** Writes, per (image, chunk, channel), Σ n and Σ n·(x − μ) over the pixels of the chunk. */
@compute @workgroup_size(WORKGROUP)
fn backward_sums(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = linear_index(group, groups, local);
  if (i >= params.batch * params.chunks * params.columns) {
    return;
  }
  let chunk = i / params.columns;
  let column = i - chunk * params.columns;
  let b = chunk / params.chunks;
  let first = (chunk - b * params.chunks) * params.chunk_pixels;
  let last = min(first + params.chunk_pixels, params.pixels);
  let m = center[b * params.columns + column];
  let s = scale[b * params.columns + column];
  let o = bias[column];
  var at = (b * params.pixels + first) * params.columns + column;
  var sum = Element(0.0);
  var product = Element(0.0);
  for (var p = first; p < last; p++) {
    let d = input[at] - m;
    let n = doutput[at] * activation_slope(d * s + o);
    sum += n;
    product += n * d;
    at += params.columns;
  }
  chunk_sums[2u * i] = sum;
  chunk_sums[2u * i + 1u] = product;
}

/** dx = n·scale + (x − μ)·slope + offset: works out slope and offset per (image, channel). */
@compute @workgroup_size(WORKGROUP)
fn backward_combine(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = linear_index(group, groups, local);
  if (i >= params.batch * params.group_count) {
    return;
  }
  let b = i / params.group_count;
  let width = params.channels / params.columns;
  let size = params.channels / params.group_count;
  let first = (i % params.group_count) * size;
  var sum = 0.0;
  var product = 0.0;
  for (var c = first; c < first + size; c++) {
    var channel_sum = 0.0;
    var channel_product = 0.0;
    for (var chunk = 0u; chunk < params.chunks; chunk++) {
      let at = chunk_at(b, chunk, c, width);
      channel_sum += chunk_values[at];
      channel_product += chunk_values[at + width];
    }
    sum += weight[c] * channel_sum;
    product += weight[c] * channel_product;
  }
  let total = f32(size) * f32(params.pixels);
  let rstd = mean_and_rstd[2u * i + 1u];
  for (var c = first; c < first + size; c++) {
    slope_out[b * params.channels + c] = -rstd * rstd * rstd * product / total;
    offset_out[b * params.channels + c] = -rstd * sum / total;
  }
}

@compute @workgroup_size(WORKGROUP)
fn backward_parameters(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let c = linear_index(group, groups, local);
  if (c >= params.channels) {
    return;
  }
  let width = params.channels / params.columns;
  let own_group = c / (params.channels / params.group_count);
  var sum = 0.0;
  var product = 0.0;
  for (var b = 0u; b < params.batch; b++) {
    let rstd = mean_and_rstd[2u * (b * params.group_count + own_group) + 1u];
    for (var chunk = 0u; chunk < params.chunks; chunk++) {
      let at = chunk_at(b, chunk, c, width);
      sum += chunk_values[at];
      product += rstd * chunk_values[at + width];
    }
  }
  if (params.accumulate != 0u) {
    product += dweight[c];
  }
  dweight[c] = product;
  if (params.accumulate_bias != 0u) {
    sum += dbias[c];
  }
  dbias[c] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = linear_index(group, groups, local);
  let blocks = (params.pixels + PIXELS - 1) / PIXELS;
  if (i >= params.batch * blocks * params.columns) {
    return;
  }
  let stretch = i / params.columns;
  let column = i - stretch * params.columns;
  let b = stretch / blocks;
  let first = (stretch - b * blocks) * PIXELS;
  let m = center[b * params.columns + column];
  let s = scale[b * params.columns + column];
  let o = bias[column];
  let slope_here = slope[b * params.columns + column];
  let offset_here = offset[b * params.columns + column];
  let last = min(first + PIXELS, params.pixels);
  var at = (b * params.pixels + first) * params.columns + column;
  for (var p = first; p < last; p++) {
    let d = input[at] - m;
    let n = doutput[at] * activation_slope(d * s + o);
    var g = n * s + d * slope_here + offset_here;
    if (params.accumulate != 0u) {
      g += dinput[at];
    }
    dinput[at] = g;
    at += params.columns;
  }
}
