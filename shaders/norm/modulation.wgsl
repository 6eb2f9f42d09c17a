// The scales and shifts of several adaptive layer norms from a row of features for each: SiLU, a linear map and its bias
// in one dispatch, for all norms together.
//
//   y[l, b, j] = bias[l, j] + sum over c of silu(h[b, l, c]) weight[l, c, j],     silu(x) = x / (1 + exp(-x))
//   dh[b, l, c] = silu'(h[b, l, c]) sum over j of dy[l, b, j] weight[l, c, j]
//   dweight[l, c, j] = sum over b of silu(h[b, l, c]) dy[l, b, j]                 dbias[l, j] = sum over b of dy[l, b, j]
//
// Shapes: h, dh [batch, layers, channels]; weight, dweight [layers, channels, outputs]; bias, dbias [layers, outputs];
// y, dy [layers, batch, outputs]; outputs is a multiple of 4. Few rows meet a weight that is read once: an invocation
// keeps 4 outputs (forward) or one channel (backward_input) of 4 rows, or 4 outputs of a row of dweight.
//
// Grids: z = layers; forward: x = ceil(outputs / 4 / WORKGROUP), y = ceil(batch / 4); backward_input:
// x = ceil(channels / WORKGROUP), y = ceil(batch / 4); backward_parameters: x as forward, y = channels.

struct Params {
  batch: u32,
  layers: u32,
  channels: u32,
  outputs: u32, // in vec4
  accumulate: u32,
  accumulate_bias: u32,
}

const WORKGROUP: u32 = 64; // @tune 32 64 128

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> h: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

fn silu(x: vec4<f32>) -> vec4<f32> {
  return x / (1.0 + exp(-x));
}

fn silu_slope(x: f32) -> f32 {
  let gate = 1.0 / (1.0 + exp(-x));
  return gate * (1.0 + x * (1.0 - gate));
}

/// Where four rows of h start; rows past the end are the last one.
fn h_at(layer: u32, rows: vec4<u32>) -> vec4<u32> {
  return (min(rows, vec4<u32>(params.batch - 1u)) * params.layers + layer) * params.channels;
}

/// Where four rows of y or dy start.
fn y_at(layer: u32, rows: vec4<u32>) -> vec4<u32> {
  return (layer * params.batch + min(rows, vec4<u32>(params.batch - 1u))) * params.outputs;
}

const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  let rows = 4u * id.y + FOUR;
  let layer = id.z;
  if (column >= params.outputs) {
    return;
  }
  let start = bias[layer * params.outputs + column];
  var sum = mat4x4<f32>(start, start, start, start);
  let origin = h_at(layer, rows);
  for (var c = 0u; c < params.channels; c++) {
    let w = weight[(layer * params.channels + c) * params.outputs + column];
    let x = silu(vec4<f32>(h[origin.x + c], h[origin.y + c], h[origin.z + c], h[origin.w + c]));
    sum += mat4x4<f32>(x.x * w, x.y * w, x.z * w, x.w * w);
  }
  // Rows past the end come to the sums of the last one, which may be written more than once.
  let to = y_at(layer, rows) + column;
  y[to.x] = sum[0];
  y[to.y] = sum[1];
  y[to.z] = sum[2];
  y[to.w] = sum[3];
}

@group(0) @binding(5) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> dh: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_input(@builtin(global_invocation_id) id: vec3<u32>) {
  let c = id.x;
  let rows = 4u * id.y + FOUR;
  let layer = id.z;
  if (c >= params.channels) {
    return;
  }
  var sum = vec4<f32>();
  let origin = y_at(layer, rows);
  for (var column = 0u; column < params.outputs; column++) {
    let w = weight[(layer * params.channels + c) * params.outputs + column];
    sum += w * mat4x4<f32>(dy[origin.x + column], dy[origin.y + column], dy[origin.z + column], dy[origin.w + column]);
  }
  let to = h_at(layer, rows) + c;
  for (var r = 0u; r < 4u; r++) {
    if (rows[r] < params.batch) {
      let at = to[r];
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
  for (var first = 0u; first < params.batch; first += 4u) {
    let rows = first + FOUR;
    let seen = vec4<f32>(rows < vec4<u32>(params.batch));
    let x = h_at(layer, rows) + c;
    let at = y_at(layer, rows) + column;
    let g = mat4x4<f32>(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
    total += g * seen;
    sum += g * (seen * silu(vec4<f32>(h[x.x], h[x.y], h[x.z], h[x.w])));
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
