// The scales and shifts of several adaptive layer norms from a row of features for each: SiLU, a linear map and its bias
// in one dispatch, for all norms together.
//
//   y[l, b, j] = bias[l, j] + sum over c of silu(h[b, l, c]) weight[l, c, j],     silu(x) = x / (1 + exp(-x))
//   dh[b, l, c] = silu'(h[b, l, c]) sum over j of dy[l, b, j] weight[l, c, j]
//   dweight[l, c, j] = sum over b of silu(h[b, l, c]) dy[l, b, j]                 dbias[l, j] = sum over b of dy[l, b, j]
//
// Shapes: h, dh [batch, layers, channels]; weight, dweight [layers, channels, outputs]; bias, dbias [layers, outputs];
// y, dy [layers, batch, outputs]. channels and outputs are multiples of 4. Few rows meet a weight that is read once:
// an invocation keeps ROWS rows of 4 outputs (forward) or channels (backward_input), or 4 × 4 of dweight.
//
// Grids, all groups1d(count, WORKGROUP): forward: layers ceil(batch / ROWS) outputs / 4; backward_input:
// layers ceil(batch / ROWS) channels / 4; backward_parameters: layers channels / 4 outputs / 4.

struct Params {
  batch: u32,
  layers: u32,
  channels: u32, // in vec4
  outputs: u32, // in vec4
  accumulate: u32,
  accumulate_bias: u32,
}

const WORKGROUP: u32 = 64; // @tune 32 64 128
const ROWS: u32 = 4; // @tune 2 4 8

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> h: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

fn silu(x: vec4<f32>) -> vec4<f32> {
  return x / (1.0 + exp(-x));
}

fn silu_slope(x: vec4<f32>) -> vec4<f32> {
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

fn place(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  let bands = (params.batch - 1u) / ROWS + 1u;
  let column = i % params.outputs;
  let first = i / params.outputs % bands * ROWS;
  let layer = i / params.outputs / bands;
  if (layer >= params.layers) {
    return;
  }
  var sum: array<vec4<f32>, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    sum[r] = bias[layer * params.outputs + column];
  }
  for (var c = 0u; c < params.channels; c++) {
    let at = ((layer * params.channels + c) * 4u) * params.outputs + column;
    let w0 = weight[at];
    let w1 = weight[at + params.outputs];
    let w2 = weight[at + 2u * params.outputs];
    let w3 = weight[at + 3u * params.outputs];
    for (var r = 0u; r < ROWS; r++) {
      let x = silu(h[h_at(layer, first + r) + c]);
      sum[r] += x.x * w0 + x.y * w1 + x.z * w2 + x.w * w3;
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    if (first + r < params.batch) {
      y[y_at(layer, first + r) + column] = sum[r];
    }
  }
}

@group(0) @binding(5) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> dh: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  let bands = (params.batch - 1u) / ROWS + 1u;
  let c = i % params.channels;
  let first = i / params.channels % bands * ROWS;
  let layer = i / params.channels / bands;
  if (layer >= params.layers) {
    return;
  }
  var sum: array<vec4<f32>, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    sum[r] = vec4<f32>(0.0);
  }
  for (var column = 0u; column < params.outputs; column++) {
    let at = ((layer * params.channels + c) * 4u) * params.outputs + column;
    let w0 = weight[at];
    let w1 = weight[at + params.outputs];
    let w2 = weight[at + 2u * params.outputs];
    let w3 = weight[at + 3u * params.outputs];
    for (var r = 0u; r < ROWS; r++) {
      let g = dy[y_at(layer, first + r) + column];
      sum[r] += vec4<f32>(dot(g, w0), dot(g, w1), dot(g, w2), dot(g, w3));
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
fn backward_parameters(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  let column = i % params.outputs;
  let c = i / params.outputs % params.channels;
  let layer = i / params.outputs / params.channels;
  if (layer >= params.layers) {
    return;
  }
  var sum: array<vec4<f32>, 4>;
  for (var k = 0u; k < 4u; k++) {
    sum[k] = vec4<f32>(0.0);
  }
  var total = vec4<f32>(0.0);
  for (var row = 0u; row < params.batch; row++) {
    let g = dy[y_at(layer, row) + column];
    let x = silu(h[h_at(layer, row) + c]);
    total += g;
    for (var k = 0u; k < 4u; k++) {
      sum[k] += x[k] * g;
    }
  }
  for (var k = 0u; k < 4u; k++) {
    let at = ((layer * params.channels + c) * 4u + k) * params.outputs + column;
    if (params.accumulate != 0u) {
      sum[k] += dweight[at];
    }
    dweight[at] = sum[k];
  }
  if (c == 0u) {
    let at = layer * params.outputs + column;
    if (params.accumulate_bias != 0u) {
      total += dbias[at];
    }
    dbias[at] = total;
  }
}
