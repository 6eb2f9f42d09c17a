// y = f(x) element by element, and dx (+)= dy · f'(x), x float32 or float16. Every function with its derivative in the table below.
//
// `forward`, `backward`: dense tensors of `count` elements, four an invocation: groups1d(⌈count / 4⌉, WORKGROUP). Nothing
// behind them is written: a gradient may lie inside a larger one.
// `forward_strided`, `backward_strided`: x through five strides (outermost axis first, padded in front with axes of
// length 1), y, dy and dx dense: groups1d(count, WORKGROUP).

const WORKGROUP: u32 = 64; // @tune 64 128 256
alias X = f32; // @variant f32=f32 f16=f16
const OP: u32 = 0; // @variant neg=0 exp=1 log=2 sqrt=3 square=4 abs=5 relu=6 silu=7 gelu2=8 sigmoid=9 tanh=10 affine=11 clamp=12

struct Params {
  shape: vec4<u32>,  // axes 1..4; axis 0 is what remains
  stride: vec4<u32>,
  stride_0: u32,
  offset: u32,
  count: u32,
  accumulate: u32,
  p: f32,            // affine: p·x + q; clamp: to [p, q]
  q: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x_vectors: array<vec4<X>>;
@group(0) @binding(2) var<storage, read> dy_vectors: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y_vectors: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> x_elements: array<X>;
@group(0) @binding(5) var<storage, read> dy_elements: array<f32>;
@group(0) @binding(6) var<storage, read_write> y_elements: array<f32>;

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

// log of some drivers gives numbers for 0, -1 and NaN.
fn logarithm(z: f32) -> f32 {
  var bits = bitcast<u32>(z);
  if (bits - 1u < 0x7f800000u) { return log(z); }
  // -∞ of 0, else NaN: WGSL can write neither but as bits.
  bits = select(0x7fc00000u, 0xff800000u, (bits & 0x7fffffffu) == 0u);
  return bitcast<f32>(bits);
}

fn sigmoid(z: f32) -> f32 {
  return 1.0 / (1.0 + exponential(-z));
}

// e / (1 + e)^2 with e <= 1: s(1 - s) would lose its digits where s rounds to 1.
fn sigmoid_slope(z: f32) -> f32 {
  let e = exp(-abs(z));
  return e / ((1.0 + e) * (1.0 + e));
}

// By way of a bounded exponential, since the built-in overflows on some drivers; near 0, where 1 - e would cancel, the
// series up to z^9 (what is left out is below 1e-8 of the sum).
fn hyperbolic_tangent(z: f32) -> f32 {
  let e = exp(-2.0 * abs(z));
  let w = z * z;
  let series = z + z * w * (-1.0 / 3.0 + w * (2.0 / 15.0 + w * (-17.0 / 315.0 + w * (62.0 / 2835.0))));
  return select(sign(z) * (1.0 - e) / (1.0 + e), series, abs(z) < 0.25);
}

fn value(z: f32) -> f32 {
  switch (OP) {
    case 0u: { return -z; }                       // neg
    case 1u: { return exponential(z); }           // exp
    case 2u: { return logarithm(z); }             // log
    case 3u: { return sqrt(z); }                  // sqrt
    case 4u: { return z * z; }                    // square
    case 5u: { return abs(z); }                   // abs
    case 6u: { return select(max(z, 0.0), z, is_nan(z)); } // relu
    case 7u: { return z * sigmoid(z); }           // silu
    case 8u: { return z * sigmoid(1.702 * z); }   // gelu2
    case 9u: { return sigmoid(z); }               // sigmoid
    case 10u: { return hyperbolic_tangent(z); }   // tanh
    case 11u: { return params.p * z + params.q; } // affine
    default: { return select(clamp(z, params.p, params.q), z, is_nan(z)); }
  }
}

fn slope(z: f32) -> f32 {
  switch (OP) {
    case 0u: { return -1.0; }                                                          // neg
    case 1u: { return exp(z); }                                                        // exp
    case 2u: { return 1.0 / z; }                                                       // log
    case 3u: { return 0.5 / sqrt(z); }                                                 // sqrt
    case 4u: { return 2.0 * z; }                                                       // square
    case 5u: { return sign(z); }                                                       // abs
    case 6u: { return select(0.0, 1.0, z > 0.0); }                                     // relu
    case 7u: { return sigmoid(z) + z * sigmoid_slope(z); }                             // silu
    case 8u: { return sigmoid(1.702 * z) + 1.702 * z * sigmoid_slope(1.702 * z); }     // gelu2
    case 9u: { return sigmoid_slope(z); }                                              // sigmoid
    case 10u: { return 4.0 * sigmoid_slope(2.0 * z); }                                  // tanh
    case 11u: { return params.p; }                                                     // affine
    default: { return select(0.0, 1.0, z >= params.p && z <= params.q); }              // clamp
  }
}

fn place(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

fn strided(i: u32) -> u32 {
  var rest = i;
  let axis_4 = rest % params.shape.w;
  rest = rest / params.shape.w;
  let axis_3 = rest % params.shape.z;
  rest = rest / params.shape.z;
  let axis_2 = rest % params.shape.y;
  rest = rest / params.shape.y;
  let at = vec4<u32>(rest % params.shape.x, axis_2, axis_3, axis_4) * params.stride;
  return params.offset + (rest / params.shape.x) * params.stride_0 + at.x + at.y + at.z + at.w;
}

fn store(i: u32, four: vec4<f32>) {
  let left = params.count - 4u * i;
  if (left >= 4u) {
    y_vectors[i] = four;
    return;
  }
  for (var lane = 0u; lane < left; lane++) { y_vectors[i][lane] = four[lane]; }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i * 4u >= params.count) { return; }
  let z = vec4<f32>(x_vectors[i]);
  store(i, vec4<f32>(value(z.x), value(z.y), value(z.z), value(z.w)));
}

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i * 4u >= params.count) { return; }
  let z = vec4<f32>(x_vectors[i]);
  var gradient = dy_vectors[i] * vec4<f32>(slope(z.x), slope(z.y), slope(z.z), slope(z.w));
  if (params.accumulate != 0u) { gradient += y_vectors[i]; }
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
  y_elements[i] = value(f32(x_elements[strided(i)]));
}

@compute @workgroup_size(WORKGROUP)
fn backward_strided(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.count) { return; }
  var gradient = dy_elements[i] * slope(f32(x_elements[strided(i)]));
  if (params.accumulate != 0u) { gradient += y_elements[i]; }
  y_elements[i] = gradient;
}
