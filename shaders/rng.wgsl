// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
//
//   key     = (seed_lo, seed_hi)
//   counter = (block, stream, step, 0), one block gives four 32-bit words
//   element i of a fill takes word i mod 4 of block i / 4
//
// The state buffer is rng = [seed_lo, seed_hi, step, 0]; `stream` comes with the dispatch, so a captured training step is
// replayed with fresh numbers by writing one word of the state.
//
// Everything here is integer arithmetic up to one exact conversion, because WGSL leaves the last bits of log, cos, sqrt
// and of a*b+c to the driver: the same seed gives the same bits on every adapter and in src/ops/philox.ts.
//
// Grid of the fills: one invocation a block (four elements), groups1d(ceil(count / 4), WORKGROUP).

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

// @shared gumbel
// H(v) = -log2(1 - v) / v for v = w / 2^32 in (0, 1/2], as a 2.30 fixed-point number: Horner's rule of the minimax
// polynomial of degree 5 (relative error 7e-6) in 16-bit steps (1e-5), so that nothing overflows 32 bits.
fn log2_slope(w: u32) -> u32 {
  let v = i32((w + 0x8000u) >> 16u);
  var h = 40012;
  h = -14707 + ((h * v) >> 16u);
  h = 19069 + ((h * v) >> 16u);
  h = 14829 + ((h * v) >> 16u);
  h = 47359 + ((h * v) >> 15u);
  return 1549071949u + ((u32(h) * u32(v)) >> 16u << 14u);
}

// -log2(u) for u = x / 2^32, x odd: mantissa * 2^-scale. Relative precision is kept for u near 1, where a fixed-point
// logarithm would vanish.
struct NegLog2 { mantissa: u32, scale: u32 }

fn neg_log2(x: u32) -> NegLog2 {
  let n = countLeadingZeros(x);
  let w = 0u - (x << n);
  let s = countLeadingZeros(w);
  let product = mul_hi(w << s, log2_slope(w));
  if (n == 0u) { return NegLog2(product, 30u + s); }
  return NegLog2((n << 26u) + ((product >> 4u) >> s), 26u);
}

// Gumbel noise -ln(-ln u), u = (word | 1) / 2^32: a multiple of 2^-19 in [-3.1, 22.2], absolute error below 4e-5.
fn gumbel(word: u32) -> f32 {
  let e = neg_log2(word | 1u);
  let k = countLeadingZeros(e.mantissa);
  let w = 0u - (e.mantissa << k);
  // 8 - log2(e) as 8.24, times ln 2, minus 8 ln 2 + ln(ln 2) (5.178664... as 8.24).
  let shifted = ((k + e.scale - 24u) << 24u) + (mul_hi(w, log2_slope(w)) >> 6u);
  let fixed = i32(mul_hi(shifted, 2977044472u)) - 86883573;
  return f32((fixed + 16) >> 5u) * 0x1p-19f;
}
// @end shared

const WORKGROUP: u32 = 64; // @tune 32 64 128 256

struct Params {
  count: u32,
  stream: u32,
  // uniform: y = scale * u; uniform_symmetric: y = scale * (2u - 1); bernoulli: P(1)
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// The four words of one block of this dispatch's stream.
fn block_words(block: u32) -> vec4<u32> {
  return philox(vec4<u32>(block, params.stream, rng[2], 0u), vec2<u32>(rng[0], rng[1]));
}

@compute @workgroup_size(WORKGROUP)
fn uniform_fill(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let group = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  let block = group * WORKGROUP + local_id.x;
  if (block * 4u >= params.count) { return; }
  let words = block_words(block);
  for (var lane = 0u; lane < 4u; lane++) {
    let i = block * 4u + lane;
    if (i < params.count) { y[i] = params.scale * uniform01(words[lane]); }
  }
}
