// z = f(x, y) element by element with broadcasting, and dz times either partial derivative. Every function with its
// derivatives in the table below; where max and min tie, both operands get half of the gradient.
//
// `forward`, `backward`: dense operands of the same shape, four elements an invocation: groups1d(⌈count / 4⌉, WORKGROUP).
// Nothing behind the result is written: a gradient may lie inside a larger one.
// `forward_strided`, `backward_strided`: x and y through five strides (outermost axis first, padded in front with axes
// of length 1; stride 0 repeats), z, dz and the gradient dense in the shape of z: groups1d(count, WORKGROUP).

const WORKGROUP: u32 = 64; // @tune 64 128 256
const OP: u32 = 0; // @variant add=0 sub=1 mul=2 div=3 max=4 min=5
const OF_X: bool = true; // @variant

struct Params {
  shape: vec4<u32>,    // axes 1..4; axis 0 is what remains
  x_stride: vec4<u32>,
  y_stride: vec4<u32>,
  x_stride_0: u32,
  y_stride_0: u32,
  x_offset: u32,
  y_offset: u32,
  count: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_vectors: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> y_vectors: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dz_vectors: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> z_vectors: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> x_elements: array<f32>;
@group(0) @binding(6) var<storage, read> y_elements: array<f32>;
@group(0) @binding(7) var<storage, read> dz_elements: array<f32>;
@group(0) @binding(8) var<storage, read_write> z_elements: array<f32>;

// @shared is-nan
// By its bits: comparisons with NaN may be optimised away, and min and max may return the other operand.
fn is_nan(z: f32) -> bool {
  return (bitcast<u32>(z) & 0x7fffffffu) > 0x7f800000u;
}
// @end shared

fn value(p: f32, q: f32) -> f32 {
  let either_nan = is_nan(p) || is_nan(q);
  switch (OP) {
    case 0u: { return p + q; }
    case 1u: { return p - q; }
    case 2u: { return p * q; }
    case 3u: { return p / q; }
    case 4u: { return select(max(p, q), p + q, either_nan); }
    default: { return select(min(p, q), p + q, either_nan); }
  }
}

// The share of the gradient that the first argument gets: 1, ½ at a tie, 0.
fn share(wins: bool, ties: bool) -> f32 {
  return select(select(0.0, 1.0, wins), 0.5, ties);
}

fn slope_x(p: f32, q: f32) -> f32 {
  switch (OP) {
    case 0u: { return 1.0; }
    case 1u: { return 1.0; }
    case 2u: { return q; }
    case 3u: { return 1.0 / q; }
    case 4u: { return share(p > q, p == q); }
    default: { return share(p < q, p == q); }
  }
}

fn slope_y(p: f32, q: f32) -> f32 {
  switch (OP) {
    case 0u: { return 1.0; }
    case 1u: { return -1.0; }
    case 2u: { return p; }
    case 3u: { return -p / (q * q); }
    case 4u: { return share(q > p, p == q); }
    default: { return share(q < p, p == q); }
  }
}

fn slope(p: f32, q: f32) -> f32 {
  if (OF_X) { return slope_x(p, q); }
  return slope_y(p, q);
}

fn place(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

// Where element i of the result finds its operands.
fn strided(i: u32) -> vec2<u32> {
  var rest = i;
  let axis_4 = rest % params.shape.w;
  rest = rest / params.shape.w;
  let axis_3 = rest % params.shape.z;
  rest = rest / params.shape.z;
  let axis_2 = rest % params.shape.y;
  rest = rest / params.shape.y;
  let axis_0 = rest / params.shape.x;
  let at = vec4<u32>(rest % params.shape.x, axis_2, axis_3, axis_4);
  let in_x = at * params.x_stride;
  let in_y = at * params.y_stride;
  return vec2<u32>(
    params.x_offset + axis_0 * params.x_stride_0 + in_x.x + in_x.y + in_x.z + in_x.w,
    params.y_offset + axis_0 * params.y_stride_0 + in_y.x + in_y.y + in_y.z + in_y.w,
  );
}

fn store(i: u32, four: vec4<f32>) {
  let left = params.count - 4u * i;
  if (left >= 4u) {
    z_vectors[i] = four;
    return;
  }
  for (var lane = 0u; lane < left; lane++) { z_vectors[i][lane] = four[lane]; }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i * 4u >= params.count) { return; }
  let p = x_vectors[i];
  let q = y_vectors[i];
  store(i, vec4<f32>(value(p.x, q.x), value(p.y, q.y), value(p.z, q.z), value(p.w, q.w)));
}

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i * 4u >= params.count) { return; }
  let p = x_vectors[i];
  let q = y_vectors[i];
  var gradient = dz_vectors[i] * vec4<f32>(slope(p.x, q.x), slope(p.y, q.y), slope(p.z, q.z), slope(p.w, q.w));
  if (params.accumulate != 0u) { gradient += z_vectors[i]; }
  store(i, gradient);
}

@compute @workgroup_size(WORKGROUP)
fn forward_strided(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.count) { return; }
  let at = strided(i);
  z_elements[i] = value(x_elements[at.x], y_elements[at.y]);
}

@compute @workgroup_size(WORKGROUP)
fn backward_strided(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.count) { return; }
  let at = strided(i);
  var gradient = dz_elements[i] * slope(x_elements[at.x], y_elements[at.y]);
  if (params.accumulate != 0u) { gradient += z_elements[i]; }
  z_elements[i] = gradient;
}
