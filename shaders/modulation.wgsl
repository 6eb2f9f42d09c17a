// The scales and shifts of several adaptive layer norms from a row of features for each: SiLU, a linear map and its bias
// in one dispatch, for all norms together.
//
//   y[l, b, j] = bias[l, j] + sum over c of silu(h[b, l, c]) weight[l, c, j],     silu(x) = x / (1 + exp(-x))
//   dh[b, l, c] = silu'(h[b, l, c]) sum over j of dy[l, b, j] weight[l, c, j]
//   dweight[l, c, j] = sum over b of silu(h[b, l, c]) dy[l, b, j]                 dbias[l, j] = sum over b of dy[l, b, j]
//
// Shapes: h, dh [batch, layers, channels]; weight, dweight [layers, channels, outputs]; bias, dbias [layers, outputs];
// y, dy [layers, batch, outputs]; outputs is a multiple of 4. Few rows meet a weight that is read once: an invocation
// keeps 4 outputs (forward) or one channel (backward_input) of ROWS rows, or 4 outputs of a row of dweight.
//
// Grids: z = layers; forward: x = ceil(outputs / 4 / WORKGROUP), y = ceil(batch / ROWS); backward_input:
// x = ceil(channels / WORKGROUP), y = ceil(batch / ROWS); backward_parameters: x as forward, y = channels.

struct Params {
  batch: u32,
  layers: u32,
  channels: u32,
  outputs: u32, // in vec4
  accumulate: u32,
  accumulate_bias: u32,
}

const WORKGROUP: u32 = 64; // @tune 32 64 128
const ROWS: u32 = 4; // @tune 2 4 8

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> h: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

fn silu(x: f32) -> f32 {
  return x / (1.0 + exp(-x));
}

fn silu_slope(x: f32) -> f32 {
  let gate = 1.0 / (1.0 + exp(-x));
  return gate * (1.0 + x * (1.0 - gate));
}

/// Where a row of h starts; rows past the end are the last one.
fn h_at(layer: u32, row: u32) -> u32 {
  return (min(row, params.batch - 1u) * params.layers + layer) * params.channels;
}

/// Where a row of y or dy starts.
fn y_at(layer: u32, row: u32) -> u32 {
  return (layer * params.batch + min(row, params.batch - 1u)) * params.outputs;
}

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  let first = id.y * ROWS;
  let layer = id.z;
  if (column >= params.outputs) {
    return;
  }
  var sum: array<vec4<f32>, ROWS>;
  let start = bias[layer * params.outputs + column];
  for (var r = 0u; r < ROWS; r++) {
    sum[r] = start;
  }
  for (var c = 0u; c < params.channels; c++) {
    let w = weight[(layer * params.channels + c) * params.outputs + column];
    for (var r = 0u; r < ROWS; r++) {
      sum[r] += silu(h[h_at(layer, first + r) + c]) * w;
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    if (first + r < params.batch) {
      y[y_at(layer, first + r) + column] = sum[r];
    }
  }
}

@group(0) @binding(5) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> dh: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_input(@builtin(global_invocation_id) id: vec3<u32>) {
  let c = id.x;
  let first = id.y * ROWS;
  let layer = id.z;
  if (c >= params.channels) {
    return;
  }
  var sum: array<f32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    sum[r] = 0.0;
  }
  for (var column = 0u; column < params.outputs; column++) {
    let w = weight[(layer * params.channels + c) * params.outputs + column];
    for (var r = 0u; r < ROWS; r++) {
      sum[r] += dot(dy[y_at(layer, first + r) + column], w);
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    if (first + r < params.batch) {
      let at = h_at(layer, first + r) + c;
      var value = sum[r] * silu_slope(h[at]);
      if (params.accumulate != 0u) {
        value += dh[at];
      }
      dh[at] = value;
    }
  }
}

@group(0) @binding(7) var<storage, read_write> dweight: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> dbias: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn backward_parameters(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  let c = id.y;
  let layer = id.z;
  if (column >= params.outputs) {
    return;
  }
  var sum = vec4<f32>(0.0);
  var total = vec4<f32>(0.0);
  for (var row = 0u; row < params.batch; row++) {
    let g = dy[y_at(layer, row) + column];
    total += g;
    sum += silu(h[h_at(layer, row) + c]) * g;
  }
  let at = (layer * params.channels + c) * params.outputs + column;
  if (params.accumulate != 0u) {
    sum += dweight[at];
  }
  dweight[at] = sum;
  if (c == 0u) {
    let at = layer * params.outputs + column;
    if (params.accumulate_bias != 0u) {
      total += dbias[at];
    }
    dbias[at] = total;
  }
}
