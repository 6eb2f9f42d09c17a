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
