// y[o] = scale · ⊕ map(x) over the reduced axes of x, ⊕ a sum or a maximum; and the gradients of sums.
//
// x is read through strides as [kept axes (3), reduced axes (3)], outermost first, padded in front with length 1.
// The reduced elements of an output are dealt to `parts` parts in turn (part p gets p, p + parts, …), so that many
// invocations share one output; a second launch with the parts as its reduced axis finishes in a fixed order.
//
// `by_lane`: an invocation makes one (part, output), for many outputs: groups1d(outputs · parts, WORKGROUP).
// `by_group`: a workgroup makes one (part, output), for few outputs: groups1d(outputs · parts, 1).
// `spread`: dx[i] (+)= scale · dy[output of i] · map'(x[i]), dx dense: groups1d(count, WORKGROUP).
// `spread_max`: dx of a maximum, shared equally by the elements that attain it; an invocation an output.

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const MAXIMUM: bool = false; // @variant
const MAP: u32 = 0; // @variant identity=0 square=1 absolute=2 squared_difference=3 absolute_difference=4 non_finite=5

struct Params {
  kept: vec4<u32>,          // x, y, z: lengths of the kept axes
  kept_stride: vec4<u32>,
  reduced: vec4<u32>,
  reduced_stride: vec4<u32>,
  other_kept: vec4<u32>,    // strides of the second operand of a difference; of dx in the backward kernels
  other_reduced: vec4<u32>,
  offset: u32,
  other_offset: u32,
  outputs: u32,
  length: u32,              // elements reduced into one output
  parts: u32,
  accumulate: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> other: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn along(i: u32, shape: vec4<u32>, stride: vec4<u32>) -> u32 {
  let rest = i / shape.z;
  return (rest / shape.y) * stride.x + (rest % shape.y) * stride.y + (i % shape.z) * stride.z;
}

fn mapped(at: u32, other_at: u32) -> f32 {
  let v = x[at];
  switch (MAP) {
    case 1u: { return v * v; }
    case 2u: { return abs(v); }
    case 3u: { let d = v - other[other_at]; return d * d; }
    case 4u: { return abs(v - other[other_at]); }
    // An exponent of all ones: infinite or not a number. Comparisons of such values may be optimised away.
    case 5u: { return select(0.0, 1.0, (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u); }
    default: { return v; }
  }
}

fn slope(at: u32, other_at: u32) -> f32 {
  switch (MAP) {
    case 1u: { return 2.0 * x[at]; }
    case 2u: { return sign(x[at]); }
    case 3u: { return 2.0 * (x[at] - other[other_at]); }
    case 4u: { return sign(x[at] - other[other_at]); }
    default: { return 1.0; }
  }
}

// @shared is-nan
// By its bits: comparisons with NaN may be optimised away, and min and max may return the other operand.
fn is_nan(z: f32) -> bool {
  return (bitcast<u32>(z) & 0x7fffffffu) > 0x7f800000u;
}
// @end shared

fn larger(p: f32, q: f32) -> f32 {
  return select(max(p, q), p + q, is_nan(p) || is_nan(q));
}

fn joined(p: f32, q: f32) -> f32 {
  if (MAXIMUM) { return larger(p, q); }
  return p + q;
}

// Elements first, first + step, … of an output's part.
fn reduced_part(output: u32, part: u32, first: u32, step: u32) -> f32 {
  let start = params.offset + along(output, params.kept, params.kept_stride);
  let other_start = params.other_offset + along(output, params.kept, params.other_kept);
  var total = 0.0;
  if (MAXIMUM) {
    // An element of the output that may come twice, instead of minus infinity, which WGSL cannot write.
    let r = min(part + first * params.parts, params.length - 1u);
    total = mapped(start + along(r, params.reduced, params.reduced_stride), 0u);
  }
  for (var r = part + first * params.parts; r < params.length; r += step * params.parts) {
    let at = start + along(r, params.reduced, params.reduced_stride);
    total = joined(total, mapped(at, other_start + along(r, params.reduced, params.other_reduced)));
  }
  return total;
}

fn store(output: u32, part: u32, total: f32) {
  let at = part * params.outputs + output;
  var result = params.scale * total;
  if (params.accumulate != 0u) { result += y[at]; }
  y[at] = result;
}

fn place(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

@compute @workgroup_size(WORKGROUP)
fn by_lane(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.outputs * params.parts) { return; }
  let output = i % params.outputs;
  let part = i / params.outputs;
  store(output, part, reduced_part(output, part, 0u, 1u));
}

var<workgroup> totals: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn by_group(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = group.y * groups.x + group.x;
  // The grid may be larger than needed; such a workgroup repeats the last one's work and does not store it.
  let wanted = min(i, params.outputs * params.parts - 1u);
  let output = wanted % params.outputs;
  let part = wanted / params.outputs;
  totals[local] = reduced_part(output, part, local, WORKGROUP);
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) { totals[local] = joined(totals[local], totals[local + half]); }
  }
  if (local == 0u && i == wanted) { store(output, part, totals[0]); }
}

@compute @workgroup_size(WORKGROUP)
fn spread(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.outputs * params.length) { return; }
  let output = i / params.length;
  let r = i % params.length;
  let at = params.offset + along(output, params.kept, params.kept_stride) + along(r, params.reduced, params.reduced_stride);
  let to = along(output, params.kept, params.other_kept) + along(r, params.reduced, params.other_reduced);
  var gradient = params.scale * dy[output] * slope(at, params.other_offset + to);
  if (params.accumulate != 0u) { gradient += y[to]; }
  y[to] = gradient;
}

@compute @workgroup_size(WORKGROUP)
fn spread_max(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let output = place(group, groups, local);
  if (output >= params.outputs) { return; }
  let start = params.offset + along(output, params.kept, params.kept_stride);
  let to_start = along(output, params.kept, params.other_kept);
  var largest = x[start];
  for (var r = 1u; r < params.length; r++) {
    largest = larger(largest, x[start + along(r, params.reduced, params.reduced_stride)]);
  }
  var ties = 0.0;
  for (var r = 0u; r < params.length; r++) {
    ties += select(0.0, 1.0, x[start + along(r, params.reduced, params.reduced_stride)] == largest);
  }
  let shared_gradient = params.scale * dy[output] / ties;
  for (var r = 0u; r < params.length; r++) {
    let to = to_start + along(r, params.reduced, params.other_reduced);
    // A product and no choice: of a NaN, which no element equals, the gradient is NaN.
    var gradient = shared_gradient * select(0.0, 1.0, x[start + along(r, params.reduced, params.reduced_stride)] == largest);
    if (params.accumulate != 0u) { gradient += y[to]; }
    y[to] = gradient;
  }
}
