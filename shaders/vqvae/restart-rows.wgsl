// One of `rows` vectors for each code that is due for a restart (idle[k] >= restart_after), without replacement: the r-th of
// them gets row permutation(r mod rows), so that no row comes twice before every row has come once. Codes that are not due
// get 0.
//
// The permutation of [0, rows) is a Feistel network of ten rounds over the next power of four, applied again while its result
// is outside (cycle walking). Its round r draws the words of counter (right half, stream, step, 2 + r).
// Shapes: idle, drawn [count].
// Grid: one invocation an element, groups1d(count, WORKGROUP).

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
  rows: u32,
  restart_after: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: array<u32>;
@group(0) @binding(2) var<storage, read> idle: array<f32>;
@group(0) @binding(3) var<storage, read_write> drawn: array<u32>;

// @shared words-of
// The random words of an element; `kind` tells the draws of one dispatch apart.
fn words_of(index: u32, kind: u32) -> vec4<u32> {
  let counter = vec4<u32>(index, params.stream, rng[2], kind);
  let key = vec2<u32>(rng[0], rng[1]);
  return philox(counter, key);
}
// @end shared

fn permuted(index: u32) -> u32 {
  let half = (33u - countLeadingZeros(params.rows - 1u)) / 2u;
  let low = (1u << half) - 1u;
  var x = index;
  loop {
    for (var turn = 0u; turn < 10u; turn++) {
      let right = x & low;
      x = (right << half) | ((x >> half) ^ (words_of(right, 2u + turn).x & low));
    }
    if (x < params.rows) { break; }
  }
  return x;  // not in the loop: naga then misses the return at the end
}

@compute @workgroup_size(WORKGROUP)
fn draw(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.count) { return; }
  var row = 0u;
  if (idle[i] >= params.restart_after) {
    var rank = 0u;
    for (var j = 0u; j < i; j++) { rank += select(0u, 1u, idle[j] >= params.restart_after); }
    row = permuted(rank % params.rows);
  }
  drawn[i] = row;
}
