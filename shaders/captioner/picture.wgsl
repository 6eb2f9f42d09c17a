// A picture of any size -> the square picture that the networks take.
//
//   y[row, column, c] = 2 q(mean of the source under the pixel) - 1,   q(v) = floor(255 v + 1/2) / 255
//
// The source is laid on white (alpha, not premultiplied) and scaled per axis to inner_width x inner_height, whose corner comes
// to (left, top) of the square: inside it with white around (contain), or larger than it (cover). Where an axis shrinks, a pixel
// is the mean of the source over the area that it covers, parts of texels by their part: nothing is skipped, so nothing aliases.
// Where it grows, the two nearest texels are interpolated. Values are sRGB as bytes: a source in linear light is encoded first.
//
// output [size, size, 3] in [-1, 1]; pixels [height * width], one RGBA of 4 bytes each, red lowest.
// LANES neighbouring invocations share a pixel and read neighbouring texels. Grid: groups1d(size * size, WORKGROUP / LANES).

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const LANES: u32 = 8; // @tune 1 4 8 16 32

struct Params {
  width: u32,         // of the source
  height: u32,
  size: u32,
  left: i32,
  top: i32,
  inner_width: u32,
  inner_height: u32,
  is_linear: u32,     // 1: the texture gives linear light
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var source: texture_2d<f32>;
@group(0) @binding(2) var<storage, read> pixels: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

var<workgroup> partial: array<vec3<f32>, WORKGROUP>;

// The texels of one axis that a pixel reads: `count` from `first` on. Texel i weighs its overlap with [low, high], or,
// where the axis grows, what linear interpolation at `low` gives it.
struct Span { first: u32, count: u32, low: f32, high: f32, grows: bool }

fn span(index: u32, inner: u32, length: u32) -> Span {
  let scale = f32(length) / f32(inner);
  if (inner > length) {
    let at = clamp((f32(index) + 0.5) * scale - 0.5, 0.0, f32(length - 1u));
    let first = min(u32(at), length - 1u);
    return Span(first, min(2u, length - first), at, at, true);
  }
  let low = f32(index) * scale;
  let high = min(f32(index + 1u) * scale, f32(length));
  let first = min(u32(low), length - 1u);
  return Span(first, clamp(u32(ceil(high)), first + 1u, length) - first, low, high, false);
}

fn weight(s: Span, texel: u32) -> f32 {
  let i = f32(texel);
  if (s.grows) { return max(0.0, 1.0 - abs(i - s.low)); }
  return max(0.0, min(s.high, i + 1.0) - max(s.low, i));
}

// Linear light as sRGB.
fn encoded(c: vec3<f32>) -> vec3<f32> {
  let v = clamp(c, vec3<f32>(0.0), vec3<f32>(1.0));
  return select(1.055 * pow(v, vec3<f32>(1.0 / 2.4)) - 0.055, 12.92 * v, v <= vec3<f32>(0.0031308));
}

fn on_white(c: vec4<f32>) -> vec3<f32> {
  return mix(vec3<f32>(1.0), c.rgb, clamp(c.a, 0.0, 1.0));
}

fn texel_of_texture(x: u32, y: u32) -> vec3<f32> {
  let texel = textureLoad(source, vec2<u32>(x, y), 0);
  if (params.is_linear != 0u) { return on_white(vec4<f32>(encoded(texel.rgb), texel.a)); }
  return on_white(texel);
}

fn texel_of_buffer(x: u32, y: u32) -> vec3<f32> {
  return on_white(unpack4x8unorm(pixels[y * params.width + x]));
}

struct Place { pixel: u32, lane: u32, inside: bool, x: Span, y: Span }

fn place_of(group: vec3<u32>, groups: vec3<u32>, local: u32) -> Place {
  let pixel = (group.y * groups.x + group.x) * (WORKGROUP / LANES) + local / LANES;
  let row = i32(pixel / params.size) - params.top;
  let column = i32(pixel % params.size) - params.left;
  let inside = pixel < params.size * params.size && row >= 0 && column >= 0 && row < i32(params.inner_height) && column < i32(params.inner_width);
  if (!inside) { return Place(pixel, local % LANES, false, Span(), Span()); }
  let x = span(u32(column), params.inner_width, params.width);
  let y = span(u32(row), params.inner_height, params.height);
  return Place(pixel, local % LANES, true, x, y);
}

// Adds up the lanes of a pixel and writes it.
fn store(place: Place, local: u32, sum: vec3<f32>) {
  partial[local] = sum;
  workgroupBarrier();
  if (place.lane != 0u || place.pixel >= params.size * params.size) { return; }
  var color = vec3<f32>(1.0);
  if (place.inside) {
    var total = sum;
    for (var other = 1u; other < LANES; other++) { total += partial[local + other]; }
    var area = 0.0;
    for (var i = 0u; i < place.x.count; i++) { area += weight(place.x, place.x.first + i); }
    var height = 0.0;
    for (var i = 0u; i < place.y.count; i++) { height += weight(place.y, place.y.first + i); }
    color = clamp(total / (area * height), vec3<f32>(0.0), vec3<f32>(1.0));
  }
  let bytes = floor(color * 255.0 + 0.5);
  for (var c = 0u; c < 3u; c++) { output[place.pixel * 3u + c] = bytes[c] / 127.5 - 1.0; }
}

@compute @workgroup_size(WORKGROUP)
fn from_texture(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let place = place_of(group, groups, local);
  var sum = vec3<f32>(0.0);
  for (var i = place.lane; i < place.x.count * place.y.count; i += LANES) {
    let x = place.x.first + i % place.x.count;
    let y = place.y.first + i / place.x.count;
    sum += weight(place.x, x) * weight(place.y, y) * texel_of_texture(x, y);
  }
  store(place, local, sum);
}

@compute @workgroup_size(WORKGROUP)
fn from_pixels(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let place = place_of(group, groups, local);
  var sum = vec3<f32>(0.0);
  for (var i = place.lane; i < place.x.count * place.y.count; i += LANES) {
    let x = place.x.first + i % place.x.count;
    let y = place.y.first + i / place.x.count;
    sum += weight(place.x, x) * weight(place.y, y) * texel_of_buffer(x, y);
  }
  store(place, local, sum);
}
