// Comparisons and choices, element by element with broadcasting, and powers of two tensors.
//
//   compare  z = 1 where x OP y, else 0; with a NaN only `ne` is 1
//   power    z = x^y, or a partial derivative of it: y x^(y-1) by x, x^y log x by y (0 where x = 0 < y)
//   choose   z (+)= x where the condition is not 0, else y
//
// Shapes: z dense in the shape that all broadcast to, `count` elements; x, y and the condition through five strides
// (outermost axis first, padded in front with axes of length 1; 0 repeats). Instead of x or y an operand may be a number,
// given by its bits. Grid: groups1d(count, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 64 128 256
const OP: u32 = 0; // @variant eq=0 ne=1 lt=2 le=3 gt=4 ge=5
const POWER: u32 = 0; // @variant value=0 by_x=1 by_y=2
const X_NUMBER: bool = false; // @variant
const Y_NUMBER: bool = false; // @variant
const C_FLOAT: bool = true; // @variant
alias T = f32; // @variant f32=f32 u32=u32 i32=i32
alias C = f32; // @variant f32=f32 u32=u32 i32=i32

struct Params {
  shape: vec4<u32>,    // axes 1..4; axis 0 is what remains
  x_stride: vec4<u32>,
  y_stride: vec4<u32>,
  c_stride: vec4<u32>,
  x_stride_0: u32,
  y_stride_0: u32,
  c_stride_0: u32,
  x_offset: u32,
  y_offset: u32,
  c_offset: u32,
  x_bits: u32,
  y_bits: u32,
  count: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> y: array<T>;
@group(0) @binding(3) var<storage, read> condition: array<C>;
@group(0) @binding(4) var<storage, read_write> truth: array<f32>;
@group(0) @binding(5) var<storage, read_write> chosen: array<T>;

// @shared is-nan
// By its bits: comparisons with NaN may be optimised away, and min and max may return the other operand.
fn is_nan(z: f32) -> bool {
  return (bitcast<u32>(z) & 0x7fffffffu) > 0x7f800000u;
}
// @end shared

// The index of element i of the result along axis 0, and along axes 1 to 4.
struct Index {
  first: u32,
  rest: vec4<u32>,
}

fn index_of(i: u32) -> Index {
  var left = i;
  let axis_4 = left % params.shape.w;
  left = left / params.shape.w;
  let axis_3 = left % params.shape.z;
  left = left / params.shape.z;
  let axis_2 = left % params.shape.y;
  left = left / params.shape.y;
  return Index(left / params.shape.x, vec4<u32>(left % params.shape.x, axis_2, axis_3, axis_4));
}

fn along(at: vec4<u32>, stride: vec4<u32>) -> u32 {
  return dot(at, stride);
}

fn x_at(at: Index) -> T {
  if (X_NUMBER) { return bitcast<T>(params.x_bits); }
  return x[params.x_offset + at.first * params.x_stride_0 + along(at.rest, params.x_stride)];
}

fn y_at(at: Index) -> T {
  if (Y_NUMBER) { return bitcast<T>(params.y_bits); }
  return y[params.y_offset + at.first * params.y_stride_0 + along(at.rest, params.y_stride)];
}

// Whether a condition holds: -0 does not, NaN does.
fn holds(at: Index) -> bool {
  let c = condition[params.c_offset + at.first * params.c_stride_0 + along(at.rest, params.c_stride)];
  let bits = bitcast<u32>(c);
  return select(bits, bits << 1u, C_FLOAT) != 0u;
}

fn compared(p: T, q: T) -> bool {
  // An integer is never NaN.
  if (is_nan(f32(p)) || is_nan(f32(q))) { return OP == 1u; }
  switch (OP) {
    case 0u: { return p == q; }
    case 1u: { return p != q; }
    case 2u: { return p < q; }
    case 3u: { return p <= q; }
    case 4u: { return p > q; }
    default: { return p >= q; }
  }
}

fn place(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

@compute @workgroup_size(WORKGROUP)
fn compare(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.count) { return; }
  let at = index_of(i);
  truth[i] = select(0.0, 1.0, compared(x_at(at), y_at(at)));
}

// WGSL can write NaN and infinity as bits alone, and as a constant not even so.
fn from_bits(written: u32) -> f32 {
  var bits = written;
  return bitcast<f32>(bits);
}

fn power_of(p: f32, q: f32) -> f32 {
  if (q == 0.0) { return 1.0; }
  if (is_nan(p) || is_nan(q)) { return p + q; }
  if (p == 0.0) { return select(0.0, from_bits(0x7f800000u), q < 0.0); }
  let whole = floor(q) == q;
  if (p < 0.0 && !whole) { return from_bits(0x7fc00000u); }
  let odd = whole && floor(0.5 * q) * 2.0 != q;
  return select(1.0, -1.0, p < 0.0 && odd) * exp2(q * log2(abs(p)));
}

fn power_value(p: f32, q: f32) -> f32 {
  switch (POWER) {
    case 0u: { return power_of(p, q); }
    case 1u: { return q * power_of(p, q - 1.0); }
    default: {
      if (p == 0.0 && q > 0.0) { return 0.0; }
      if (p < 0.0) { return from_bits(0x7fc00000u); }
      return power_of(p, q) * log(p);
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn power(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.count) { return; }
  let at = index_of(i);
  truth[i] = power_value(f32(x_at(at)), f32(y_at(at)));
}

@compute @workgroup_size(WORKGROUP)
fn choose(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.count) { return; }
  let at = index_of(i);
  var value = y_at(at);
  if (holds(at)) { value = x_at(at); }
  if (params.accumulate != 0u) { value += chosen[i]; }
  chosen[i] = value;
}
