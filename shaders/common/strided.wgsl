// Strided copy: target[i] = source[i] or target[i] += source[i] for every index i of a shape of up to six axes.
//
// source and target each have an element offset and six strides (in elements; 0 repeats an axis), so that one kernel
// makes a view dense, writes a slice of a larger tensor, broadcasts, adds a gradient to another, and converts between
// float32 and float16 (rounding to nearest; what is beyond float16's range becomes infinite). Integers are copied as u32
// words, which holds for i32 too: the bits and their sums are the same. Where all lengths and strides are multiples of four and
// the last axis is dense on both sides, an element is four of them, and everything is counted in fours.
// shape and strides: outermost axis first, padded in front with axes of length 1.
//
// Grid: one invocation an element, folded over x and y: groups1d(count, WORKGROUP).

const WORKGROUP: u32 = 256; // @tune 64 128 256
alias Source = f32; // @variant f32=f32 f16=f16 u32=u32 vector=vec4<f32>
alias Destination = f32; // @variant f32=f32 f16=f16 u32=u32 vector=vec4<f32>
alias Value = f32; // @variant f32=f32 u32=u32 vector=vec4<f32>

struct Params {
  shape_low: vec4<u32>,   // axes 2..5
  source_low: vec4<u32>,
  target_low: vec4<u32>,
  source_high: vec4<u32>, // axes 0 and 1
  target_high: vec4<u32>,
  shape_1: u32,           // axis 1; axis 0 is what remains
  source_offset: u32,
  target_offset: u32,
  count: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<Source>;
@group(0) @binding(2) var<storage, read_write> destination: array<Destination>;

@compute @workgroup_size(WORKGROUP)
fn copy(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.count) { return; }
  var rest = i;
  let axis_5 = rest % params.shape_low.w;
  rest = rest / params.shape_low.w;
  let axis_4 = rest % params.shape_low.z;
  rest = rest / params.shape_low.z;
  let axis_3 = rest % params.shape_low.y;
  rest = rest / params.shape_low.y;
  let axis_2 = rest % params.shape_low.x;
  rest = rest / params.shape_low.x;
  let high = vec2<u32>(rest / params.shape_1, rest % params.shape_1);
  let low = vec4<u32>(axis_2, axis_3, axis_4, axis_5);
  let origin = params.source_offset + dot(high, params.source_high.xy) + dot(low, params.source_low);
  let place = params.target_offset + dot(high, params.target_high.xy) + dot(low, params.target_low);
  var value = Value(source[origin]);
  if (params.accumulate != 0u) {
    value += Value(destination[place]);
  }
  destination[place] = Destination(value);
}
