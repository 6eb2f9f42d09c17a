// Inverted dropout. The mask is drawn anew from the same counters in the gradient, so it is never stored.
//
//   y_i = x_i scale  if word_i says keep, else 0          scale = 1 / P(keep)
//   dx_i = dy_i scale  for the same i                     (the same kernel, with dy for x)
//
// word_i is word i mod 4 of Philox block i / 4 of the stream (shaders/common/rng.wgsl); its upper 31 bits are compared with
// threshold = P(keep) 2^31. Of a batch in parts (rng.wgsl) i counts from the start of the whole. Shapes: input, output [count].
// Grid: one invocation a block of four elements, groups1d(ceil(count / 4), WORKGROUP).

// @shared philox
// High word of the 64-bit product a*b.
fn mul_hi(a: u32, b: u32) -> u32 {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let middle = a1 * b0 + ((a0 * b0) >> 16u);
  let cross = a0 * b1 + (middle & 0xffffu);
  return a1 * b1 + (middle >> 16u) + (cross >> 16u);
}

// Philox4x32-10: four independent uniform 32-bit words for every (counter, key).
fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let hi0 = mul_hi(0xD2511F53u, c.x);
    let hi1 = mul_hi(0xCD9E8D57u, c.z);
    c = vec4<u32>(hi1 ^ c.y ^ k.x, 0xCD9E8D57u * c.z, hi0 ^ c.w ^ k.y, 0xD2511F53u * c.x);
    k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
  }
  return c;
}

// Uniform in [0, 1): multiples of 2^-24, exact.
fn uniform01(word: u32) -> f32 {
  return f32(word >> 8u) * 0x1p-24f;
}

// Uniform in the open interval (0, 1): odd multiples of 2^-24, exact; for logarithms.
fn uniform_open(word: u32) -> f32 {
  return f32(((word >> 8u) & 0xfffffeu) | 1u) * 0x1p-24f;
}
// @end shared

struct Params {
  count: u32,
  stream: u32,
  scale: f32,
  threshold: u32,
  accumulate: u32,
}

const WORKGROUP: u32 = 64; // @tune 32 64 128 256

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: array<u32>; // [seed_lo, seed_hi, step, part]
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn apply(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let group = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  let quad = group * WORKGROUP + local_id.x;
  if (quad * 4u >= params.count) { return; }
  let counter = vec4<u32>(quad + rng[3] * (params.count / 4u), params.stream, rng[2], 0u);
  let key = vec2<u32>(rng[0], rng[1]);
  let words = philox(counter, key);
  for (var lane = 0u; lane < 4u; lane++) {
    let i = quad * 4u + lane;
    if (i < params.count) {
      var value = select(0.0, input[i] * params.scale, (words[lane] >> 1u) < params.threshold);
      if (params.accumulate != 0u) { value += output[i]; }
      output[i] = value;
    }
  }
}
