// y = f(x) element by element, and dx (+)= dy · f'(x). Every function with its derivative in the table below.
//
//   gelu       x Φ(x), Φ the standard normal distribution function           Φ(x) + x φ(x)
//   gelu_tanh  x σ(2u), u = √(2/π) (x + 0.044715 x³)                          σ(2u) + 2 x σ'(2u) u'
//   softplus   max(x, 0) + log(1 + exp(-|x|))                                 σ(x)
//   power      x^p, p a constant; whole p takes x < 0, others give NaN there  p x^(p-1)
//
// Shapes: all dense, `count` elements. Grid: groups1d(count, WORKGROUP).
//
// Sine, cosine and powers are made of exact steps and polynomials: the built-in ones are only promised to 2⁻¹¹ (sine,
// inside [-π, π]) or inherit the error of a logarithm.
// @more

const WORKGROUP: u32 = 64; // @tune 64 128 256
const OP: u32 = 0; // @variant rsqrt=0 sin=1 cos=2 sign=3 softplus=4 gelu=5 gelu_tanh=6 power=7

struct Params {
  count: u32,
  accumulate: u32,
  p: f32, // power: the exponent
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// @shared is-nan
// By its bits: comparisons with NaN may be optimised away, and min and max may return the other operand.
fn is_nan(z: f32) -> bool {
  return (bitcast<u32>(z) & 0x7fffffffu) > 0x7f800000u;
}
// @end shared

// WGSL can write NaN and infinity as bits alone, and as a constant not even so.
fn from_bits(written: u32) -> f32 {
  var bits = written;
  return bitcast<f32>(bits);
}

fn sigmoid(z: f32) -> f32 {
  return 1.0 / (1.0 + exp(-z));
}

// e / (1 + e)^2 with e <= 1: s(1 - s) would lose its digits where s rounds to 1.
fn sigmoid_slope(z: f32) -> f32 {
  let e = exp(-abs(z));
  return e / ((1.0 + e) * (1.0 + e));
}

// sin(z + quarters π/2). The next multiple of π/2 is taken off in three parts, the first two of few bits, so that their
// products are exact; then the Taylor-like polynomials of Cephes on [-π/4, π/4].
fn sine(z: f32, quarters: i32) -> f32 {
  if ((bitcast<u32>(z) & 0x7f800000u) == 0x7f800000u) { return from_bits(0x7fc00000u); }
  let n = round(z * 0.6366197723675814);
  let r = ((z - n * 1.5703125) - n * 4.837512969970703125e-4) - n * 7.549789948768648e-8;
  let w = r * r;
  let quadrant = (i32(n) + quarters) & 3;
  let odd = r + r * w * (-1.6666654611e-1 + w * (8.3321608736e-3 - w * 1.9515295891e-4));
  let even = 1.0 - 0.5 * w + w * w * (4.166664568298827e-2 + w * (-1.388731625493765e-3 + w * 2.443315711809948e-5));
  let value = select(odd, even, (quadrant & 1) == 1);
  return select(value, -value, quadrant >= 2);
}

// log(1 + exp(-|z|)): near exp(-|z|) = 0 the series, where 1 + e would round e away.
fn log_of_one_and(e: f32) -> f32 {
  return select(log(1.0 + e), e * (1.0 - e * (0.5 - e * (1.0 / 3.0 - 0.25 * e))), e < 0.01);
}

// Φ(z) by the complementary error function: a Chebyshev fit with a relative error below 1.2e-7 everywhere (Press et al.,
// Numerical Recipes, "erfcc").
fn normal_distribution(z: f32) -> f32 {
  let a = abs(z) * 0.7071067811865476;
  let t = 1.0 / (1.0 + 0.5 * a);
  let low = t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * 0.27886807))));
  let high = t * t * t * t * t * t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)));
  let tail = 0.5 * t * exp(-a * a - 1.26551223 + low + high);
  return select(1.0 - tail, tail, z < 0.0);
}

fn tanh_argument(z: f32) -> f32 {
  return 1.5957691216057308 * (z + 0.044715 * z * z * z);
}

fn power(z: f32, p: f32) -> f32 {
  if (p == 0.0) { return 1.0; }
  if (is_nan(z)) { return z; }
  let a = abs(z);
  let whole = floor(p) == p;
  if (whole && abs(p) <= 64.0) {
    // By squares: exact where the result is.
    var result = 1.0;
    var square = z;
    for (var n = u32(abs(p)); n > 0u; n >>= 1u) {
      if ((n & 1u) == 1u) { result *= square; }
      square *= square;
    }
    return select(result, 1.0 / result, p < 0.0);
  }
  if (a == 0.0) { return select(0.0, from_bits(0x7f800000u), p < 0.0); }
  if (z < 0.0 && !whole) { return from_bits(0x7fc00000u); }
  let odd = whole && floor(0.5 * p) * 2.0 != p;
  return select(1.0, -1.0, z < 0.0 && odd) * exp2(p * log2(a));
}

fn value(z: f32) -> f32 {
  switch (OP) {
    case 0u: { return inverseSqrt(z); }                                           // rsqrt
    case 1u: { return sine(z, 0); }                                               // sin
    case 2u: { return sine(z, 1); }                                               // cos
    case 3u: { return select(sign(z), z, is_nan(z)); }                            // sign
    case 4u: { return select(max(z, 0.0) + log_of_one_and(exp(-abs(z))), z, is_nan(z)); } // softplus
    case 5u: { return z * normal_distribution(z); }                               // gelu
    case 6u: { return z * sigmoid(tanh_argument(z)); }                            // gelu_tanh
    default: { return power(z, params.p); }                                       // power
  }
}

fn slope(z: f32) -> f32 {
  switch (OP) {
    case 0u: { return -0.5 * inverseSqrt(z) / z; }                                // rsqrt
    case 1u: { return sine(z, 1); }                                               // sin
    case 2u: { return -sine(z, 0); }                                              // cos
    case 3u: { return 0.0; }                                                      // sign
    case 4u: { return sigmoid(z); }                                               // softplus
    case 5u: { return normal_distribution(z) + z * 0.3989422804014327 * exp(-0.5 * z * z); } // gelu
    case 6u: {                                                                    // gelu_tanh
      if (abs(z) > 16.0) { return select(0.0, 1.0, z > 0.0); }
      let v = tanh_argument(z);
      return sigmoid(v) + z * sigmoid_slope(v) * 1.5957691216057308 * (1.0 + 0.134145 * z * z);
    }
    default: { return params.p * power(z, params.p - 1.0); }                      // power
  }
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
  if (i < params.count) { y[i] = value(x[i]); }
}

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.count) { return; }
  var gradient = dy[i] * slope(x[i]);
  if (params.accumulate != 0u) { gradient += y[i]; }
  y[i] = gradient;
}
