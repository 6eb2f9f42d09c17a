// Softmax, log-softmax and log-sum-exp over the last axis, and their gradients.
//
//   lse = top + log sum exp(x - top)       softmax y = exp(x - lse)           log-softmax y = x - lse
//   softmax      dx = y (dy - sum_c y dy)
//   log-softmax  dx = dy - exp(y) sum_c dy
//   log-sum-exp  dx = exp(x - lse) dy
//
// Shapes: x, y, dy, dx [rows, width]; lse and its dy [rows].
// LANES invocations share a row, each running over every LANES-th element once for (top, sum) with a running top;
// grid groups1d(rows LANES, WORKGROUP). One lane a row needs no barrier (software adapters).

struct Params {
  rows: u32,
  width: u32,
  accumulate: u32,
}

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const LANES: u32 = 32; // @tune 1 8 16 32 64
const LOG: bool = false; // @variant

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;

/// Stands for minus infinity: finite, so that the difference of two of them is 0 and not NaN.
const LOWEST: f32 = -3.4028234e38;

var<workgroup> scratch: array<vec2<f32>, WORKGROUP>;

fn row_of(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * (WORKGROUP / LANES) + local / LANES;
}

/// Two parts (top, sum exp(x - top)) of a row as one.
fn merge(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let top = max(a.x, b.x);
  return vec2<f32>(top, a.y * below(a.x, top) + b.y * below(b.x, top));
}

// @shared is-nan
// By its bits: comparisons with NaN may be optimised away, and min and max may return the other operand.
fn is_nan(z: f32) -> bool {
  return (bitcast<u32>(z) & 0x7fffffffu) > 0x7f800000u;
}
// @end shared

// exp of some drivers gives a number for NaN.
fn exponential(z: f32) -> f32 {
  return select(exp(z), z, is_nan(z));
}

/// exp(x - top); 1 at the top, also where that is infinite.
fn below(x: f32, top: f32) -> f32 {
  return exp(select(x - top, 0.0, x == top));
}

/// (top, log sum exp(x - top)) of a row, in all of its lanes: apart, because their sum rounds the second part away when
/// values are large. The top of nothing but minus infinities (and lowest finite numbers) is minus infinity; a row with a
/// NaN has the sum NaN, found by its bits because max, exp and log of some drivers make numbers of it.
/// Four elements at a time: one rescaling for four exponentials.
fn log_sum_exp_of_row(row: u32, local: u32) -> vec2<f32> {
  let base = row * params.width;
  var part = vec2<f32>(LOWEST, 0.0);
  var largest_bits = vec4<u32>(0u);
  for (var c = local % LANES; c < params.width; c += 4u * LANES) {
    var values = vec4<f32>(LOWEST);
    values.x = input[base + c];
    if (c + LANES < params.width) {
      values.y = input[base + c + LANES];
    }
    if (c + 2u * LANES < params.width) {
      values.z = input[base + c + 2u * LANES];
    }
    if (c + 3u * LANES < params.width) {
      values.w = input[base + c + 3u * LANES];
    }
    largest_bits = max(largest_bits, bitcast<vec4<u32>>(values) & vec4<u32>(0x7fffffffu));
    let top = max(max(max(values.x, values.y), max(values.z, values.w)), part.x);
    let gaps = select(values - top, vec4<f32>(0.0), values == vec4<f32>(top));
    part = vec2<f32>(top, part.y * below(part.x, top) + dot(exp(gaps), vec4<f32>(1.0)));
  }
  if (any(largest_bits > vec4<u32>(0x7f800000u))) {
    var bits = 0x7fc00000u;
    part.y = bitcast<f32>(bits);
  }
  if (LANES > 1u) {
    scratch[local] = part;
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
      if (local % LANES < step) {
        scratch[local] = merge(scratch[local], scratch[local + step]);
      }
      workgroupBarrier();
    }
    part = scratch[local - local % LANES];
  }
  // WGSL cannot write an infinity but as bits.
  var bits = 0xff800000u;
  let top = select(part.x, bitcast<f32>(bits), part.x == LOWEST);
  return vec2<f32>(top, select(log(part.y), part.y, is_nan(part.y)));
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let own = row_of(group, groups, local);
  let row = min(own, params.rows - 1u);
  let total = log_sum_exp_of_row(row, local);
  if (own >= params.rows) {
    return;
  }
  let base = row * params.width;
  for (var c = local % LANES; c < params.width; c += LANES) {
    let value = input[base + c] - total.x - total.y;
    if (LOG) {
      output[base + c] = value;
    } else {
      output[base + c] = exponential(value);
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn log_sum_exp(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let own = row_of(group, groups, local);
  let total = log_sum_exp_of_row(min(own, params.rows - 1u), local);
  if (own < params.rows && local % LANES == 0u) {
    lse[own] = total.x + total.y;
  }
}

@group(0) @binding(1) var<storage, read> y_saved: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let own = row_of(group, groups, local);
  let row = min(own, params.rows - 1u);
  let base = row * params.width;
  var sum = 0.0;
  for (var c = local % LANES; c < params.width; c += LANES) {
    if (LOG) {
      sum += dy[base + c];
    } else {
      sum += dy[base + c] * y_saved[base + c];
    }
  }
  if (LANES > 1u) {
    scratch[local].x = sum;
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
      if (local % LANES < step) {
        scratch[local].x += scratch[local + step].x;
      }
      workgroupBarrier();
    }
    sum = scratch[local - local % LANES].x;
  }
  if (own >= params.rows) {
    return;
  }
  for (var c = local % LANES; c < params.width; c += LANES) {
    var value = dy[base + c] - sum;
    if (LOG) {
      value = dy[base + c] - exponential(y_saved[base + c]) * sum;
    } else {
      value *= y_saved[base + c];
    }
    if (params.accumulate != 0u) {
      dx[base + c] += value;
    } else {
      dx[base + c] = value;
    }
  }
}

@group(0) @binding(4) var<storage, read> lse_saved: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn log_sum_exp_backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let row = row_of(group, groups, local);
  if (row >= params.rows) {
    return;
  }
  let base = row * params.width;
  for (var c = local % LANES; c < params.width; c += LANES) {
    let value = exponential(input[base + c] - lse_saved[row]) * dy[row];
    if (params.accumulate != 0u) {
      dx[base + c] += value;
    } else {
      dx[base + c] = value;
    }
  }
}
