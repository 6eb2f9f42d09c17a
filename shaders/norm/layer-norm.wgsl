// Layer normalisation over the last axis, with an affine map (layer norm) or with a scale and shift per batch element
// (adaptive layer norm: norm and modulation in one pass).
//
//   n = (x - mean) r,  r = 1 / sqrt(var + epsilon)          y = n f + shift,  f = weight or 1 + scale_b
//   g = dy f                                                dx = r (g - mean(g) - n mean(g n))
//   dweight = sum over rows of dy n,  dbias = sum of dy     (dscale_b and dshift_b: the sums over the rows of b)
//
// Shapes: x, y, dy, dx [rows, channels]; factors and shifts [channels], or both the scale_shift [batches, 2 channels], scale
// first; stats [rows] = (mean, r).
// Row kernels: LANES invocations share a row; grid groups1d(rows LANES, WORKGROUP). One lane a row needs no barrier
// (software adapters), 32 read a row coalesced.
// backward_columns: one invocation a column of a batch element, or of a chunk of rows, groups1d(groups channels, WORKGROUP);
// combine.wgsl adds up the chunks.

struct Params {
  rows: u32,
  channels: u32,
  rows_per_group: u32, // of one batch element (adaptive), or of one chunk (column sums)
  group_stride: u32, // from the factors of one batch element to those of the next; 0 for an affine map
  shift_offset: u32, // of the first shift
  one: f32, // added to factors
  epsilon: f32,
  accumulate: u32,
}

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const LANES: u32 = 32; // @tune 1 8 16 32
// Element type of y; everything else is float32.
alias Output = f32; // @variant f32=f32 f16=f16

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read> shifts: array<f32>;
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
  let at = row / params.rows_per_group * params.group_stride;
  for (var c = local % LANES; c < params.channels; c += LANES) {
    let n = (input[base + c] - stat.x) * stat.y;
    output[base + c] = Output(n * (params.one + factors[at + c]) + shifts[at + params.shift_offset + c]);
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
  let at = row / params.rows_per_group * params.group_stride;
  let stat = saved[row];
  var sums = vec2<f32>(0.0);
  for (var c = local % LANES; c < params.channels; c += LANES) {
    let g = dy[base + c] * (params.one + factors[at + c]);
    sums += vec2<f32>(g, g * (input[base + c] - stat.x) * stat.y);
  }
  sums = sum_of_row(local, sums) / f32(params.channels);
  if (own >= params.rows) {
    return;
  }
  for (var c = local % LANES; c < params.channels; c += LANES) {
    let n = (input[base + c] - stat.x) * stat.y;
    let value = stat.y * (dy[base + c] * (params.one + factors[at + c]) - sums.x - n * sums.y);
    if (params.accumulate != 0u) {
      dx[base + c] += value;
    } else {
      dx[base + c] = value;
    }
  }
}

/// (sum of dy n, sum of dy) over the rows of each group: [groups, 2, channels].
@group(0) @binding(5) var<storage, read_write> columns: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_columns(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let first = index / params.channels * params.rows_per_group;
  let column = index % params.channels;
  if (first >= params.rows) {
    return;
  }
  let end = min(first + params.rows_per_group, params.rows);
  var sums = vec2<f32>(0.0);
  for (var row = first; row < end; row++) {
    let stat = saved[row];
    let at = row * params.channels + column;
    sums += dy[at] * vec2<f32>((input[at] - stat.x) * stat.y, 1.0);
  }
  let at = index / params.channels * 2u * params.channels + column;
  if (params.accumulate != 0u) {
    sums += vec2<f32>(columns[at], columns[at + params.channels]);
  }
  columns[at] = sums.x;
  columns[at + params.channels] = sums.y;
}
