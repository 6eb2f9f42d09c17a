// The forward process q: each token on its own, straight from Philox, no vector over the vocabulary.
//
//   q(x_t | x_0) = alphabar_t at x_0, plus betabar_t at each of the M tokens, gammabar_t at [MASK]
//
// q_sample      x_t ~ q(x_t | x_0): [MASK] with gammabar_t, a uniform token (x_0 among them) with M betabar_t, else x_0;
//               NONE, which is no token, where x_0 or t is out of range or t not visited.
// prior         x_T ~ p(x_T): [MASK] with gammabar_T, else a uniform token.
// timesteps     t ~ U{1 .. T}.
//
// Element i draws the words of counter (i, stream, step, 0); of a batch in parts (rng.wgsl) i counts from the start of the whole.
// Probabilities are compared as 31-bit integers, so 0 means never
// and 1 always.
// Shapes: x0, drawn [count]; time [count / per_step]; thresholds [T+1].
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

// @shared thresholds
// Probabilities of a step t in units of 2^-31, for draws; all 0 where t is not visited. src/diffusion/coefficients.ts
// computes them.
struct Thresholds {
  // x_t from x_0: below the first [MASK], below the second a uniform token, else x_0.
  noise_mask: u32,
  noise_uniform: u32,
  // x_u from (x_t, x_0): below the first x_t stays, below the second x_0, else a uniform token. x_t is [MASK],
  masked_stay: u32,
  masked_x0: u32,
  // another token than x_0,
  other_stay: u32,
  other_x0: u32,
  // x_0.
  same_stay: u32,
  same_x0: u32,
}
// @end shared

struct Params {
  count: u32,
  stream: u32,
  tokens: u32,     // M; the caption's [MASK] is M
  per_step: u32,   // q_sample: positions a step t stands for
  last: u32,       // prior, timesteps: T
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: array<u32>;
@group(0) @binding(2) var<storage, read> x0: array<u32>;
@group(0) @binding(3) var<storage, read> time: array<u32>;
@group(0) @binding(4) var<storage, read> thresholds: array<Thresholds>;
@group(0) @binding(5) var<storage, read_write> drawn: array<u32>;

const NONE: u32 = 0xffffffffu;

// @shared words-of
// The random words of an element; `kind` tells the draws of one dispatch apart.
fn words_of(index: u32, kind: u32) -> vec4<u32> {
  let counter = vec4<u32>(index, params.stream, rng[2], kind);
  let key = vec2<u32>(rng[0], rng[1]);
  return philox(counter, key);
}
// @end shared

@compute @workgroup_size(WORKGROUP)
fn q_sample(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.count) { return; }
  let words = words_of(i + rng[3] * params.count, 0u);
  let t = time[i / params.per_step];
  let limits = thresholds[t];
  let decision = words.x >> 1u;
  var token = x0[i];
  if (decision < limits.noise_mask) {
    token = params.tokens;
  } else if (decision < limits.noise_uniform) {
    token = mul_hi(words.y, params.tokens);
  }
  // Of a step that is not visited, 0 among them, all thresholds are 0; of others not both of these.
  let visited = t < arrayLength(&thresholds) && (limits.noise_uniform | limits.same_x0) != 0u;
  let valid = visited && x0[i] < params.tokens;
  drawn[i] = select(NONE, token, valid);
}

@compute @workgroup_size(WORKGROUP)
fn prior(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.count) { return; }
  let words = words_of(i, 0u);
  let masked = (words.x >> 1u) < thresholds[params.last].noise_mask;
  drawn[i] = select(mul_hi(words.y, params.tokens), params.tokens, masked);
}

@compute @workgroup_size(WORKGROUP)
fn timesteps(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.count) { return; }
  drawn[i] = 1u + mul_hi(words_of(i + rng[3] * params.count, 0u).x, params.last);
}
