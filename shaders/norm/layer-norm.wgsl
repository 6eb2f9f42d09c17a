// Layer normalisation over the last axis, with an affine map (layer norm) or with a scale and shift per batch element
// (adaptive layer norm: norm and modulation in one pass).
//
//   n = (x - mean) r,  r = 1 / sqrt(var + epsilon)          y = n weight + bias      or      y = n (1 + scale_b) + shift_b
//   g = dy weight or dy (1 + scale_b)                       dx = r (g - mean(g) - n mean(g n))
//   dweight = sum over rows of dy n,  dbias = sum of dy     (dscale_b and dshift_b: the sums over the rows of b)
//
// Shapes: x, y, dy, dx [rows, channels]; scale_shift [batches, 2 channels], scale first; stats [rows] = (mean, r).
// Row kernels: LANES invocations share a row; grid groups1d(rows LANES, WORKGROUP). One lane a row needs no barrier
// (software adapters), 32 read a row coalesced.
// Column kernels: one invocation a column of a chunk of rows, x = ceil(channels / WORKGROUP), y = chunks;
// combine.wgsl adds up the chunks. Of backward_scale_shift, one a column of a batch element,
// groups1d(batches channels, WORKGROUP).

struct Params {
  rows: u32,
  channels: u32,
  rows_per_group: u32, // of one batch element (adaptive), or of one chunk (column sums)
  epsilon: f32,
  accumulate: u32,
}

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const LANES: u32 = 32; // @tune 1 8 16 32
// Element type of y; everything else is float32.
alias Output = f32; // @variant f32=f32 f16=f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> scale_shift: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<Output>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2<f32>>;

var<workgroup> scratch: array<vec2<f32>, WORKGROUP>;

/// The sum over the lanes of a row, in every lane.
fn sum_of_row(local: u32, value: vec2<f32>) -> vec2<f32> {
  if (LANES == 1u) {
    return value;
  }
  scratch[local] = value;
  workgroupBarrier();
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    if (local % LANES < step) {
      scratch[local] += scratch[local + step];
    }
    workgroupBarrier();
  }
  return scratch[local - local % LANES];
}

fn row_of(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * (WORKGROUP / LANES) + local / LANES;
}

/// (mean, r) of a row. Moments about the row's first element need one pass and lose at most a factor of the row's
/// length in precision, because no element is further than sqrt(channels) standard deviations from the mean.
fn statistics(row: u32, local: u32) -> vec2<f32> {
  let base = row * params.channels;
  let origin = input[base];
  var moments = vec2<f32>(0.0);
  for (var c = local % LANES; c < params.channels; c += LANES) {
    let difference = input[base + c] - origin;
    moments += vec2<f32>(difference, difference * difference);
  }
  moments = sum_of_row(local, moments) / f32(params.channels);
  let variance = max(moments.y - moments.x * moments.x, 0.0);
  return vec2<f32>(origin + moments.x, inverseSqrt(variance + params.epsilon));
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let own = row_of(group, groups, local);
  let row = min(own, params.rows - 1u);
  let stat = statistics(row, local);
  if (own >= params.rows) {
    return;
  }
  let base = row * params.channels;
  for (var c = local % LANES; c < params.channels; c += LANES) {
    output[base + c] = Output((input[base + c] - stat.x) * stat.y * weight[c] + bias[c]);
  }
  if (local % LANES == 0u) {
    stats[row] = stat;
  }
}

@compute @workgroup_size(WORKGROUP)
fn adaptive_forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let own = row_of(group, groups, local);
  let row = min(own, params.rows - 1u);
  let stat = statistics(row, local);
  if (own >= params.rows) {
    return;
  }
  let base = row * params.channels;
  let scale_at = row / params.rows_per_group * 2u * params.channels;
  let shift_at = scale_at + params.channels;
  for (var c = local % LANES; c < params.channels; c += LANES) {
    let n = (input[base + c] - stat.x) * stat.y;
    output[base + c] = Output(n * (1.0 + scale_shift[scale_at + c]) + scale_shift[shift_at + c]);
  }
  if (local % LANES == 0u) {
    stats[row] = stat;
  }
}

@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> saved: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let own = row_of(group, groups, local);
  let row = min(own, params.rows - 1u);
  let base = row * params.channels;
  let stat = saved[row];
  var sums = vec2<f32>(0.0);
  for (var c = local % LANES; c < params.channels; c += LANES) {
    let g = dy[base + c] * weight[c];
    sums += vec2<f32>(g, g * (input[base + c] - stat.x) * stat.y);
  }
  sums = sum_of_row(local, sums) / f32(params.channels);
  if (own >= params.rows) {
    return;
  }
  for (var c = local % LANES; c < params.channels; c += LANES) {
    let n = (input[base + c] - stat.x) * stat.y;
    let value = stat.y * (dy[base + c] * weight[c] - sums.x - n * sums.y);
    if (params.accumulate != 0u) {
      dx[base + c] += value;
    } else {
      dx[base + c] = value;
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn adaptive_backward_input(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let own = row_of(group, groups, local);
  let row = min(own, params.rows - 1u);
  let base = row * params.channels;
  let scale_at = row / params.rows_per_group * 2u * params.channels;
  let stat = saved[row];
  var sums = vec2<f32>(0.0);
  for (var c = local % LANES; c < params.channels; c += LANES) {
    let g = dy[base + c] * (1.0 + scale_shift[scale_at + c]);
    sums += vec2<f32>(g, g * (input[base + c] - stat.x) * stat.y);
  }
  sums = sum_of_row(local, sums) / f32(params.channels);
  if (own >= params.rows) {
    return;
  }
  for (var c = local % LANES; c < params.channels; c += LANES) {
    let n = (input[base + c] - stat.x) * stat.y;
    let value = stat.y * (dy[base + c] * (1.0 + scale_shift[scale_at + c]) - sums.x - n * sums.y);
    if (params.accumulate != 0u) {
      dx[base + c] += value;
    } else {
      dx[base + c] = value;
    }
  }
}

/// (sum of dy n, sum of dy) over the rows of group `index` of one column.
fn column_sums(index: u32, column: u32) -> vec2<f32> {
  let first = index * params.rows_per_group;
  let end = min(first + params.rows_per_group, params.rows);
  var sums = vec2<f32>(0.0);
  for (var row = first; row < end; row++) {
    let stat = saved[row];
    let at = row * params.channels + column;
    sums += dy[at] * vec2<f32>((input[at] - stat.x) * stat.y, 1.0);
  }
  return sums;
}

/// [chunks, 2, channels]
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_affine_partial(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let column = group.x * WORKGROUP + local;
  if (column >= params.channels) {
    return;
  }
  let sums = column_sums(group.y, column);
  let at = group.y * 2u * params.channels + column;
  partial[at] = sums.x;
  partial[at + params.channels] = sums.y;
}

@group(0) @binding(5) var<storage, read_write> dscale_shift: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_scale_shift(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let batch = index / params.channels;
  let column = index % params.channels;
  if (batch * params.rows_per_group >= params.rows) {
    return;
  }
  var sums = column_sums(batch, column);
  let at = batch * 2u * params.channels + column;
  if (params.accumulate != 0u) {
    sums += vec2<f32>(dscale_shift[at], dscale_shift[at + params.channels]);
  }
  dscale_shift[at] = sums.x;
  dscale_shift[at + params.channels] = sums.y;
}
