// The random steps of training, each token on its own, straight from Philox: no vector over the vocabulary.
//
// q_sample      x_t ~ q(x_t | x_0): [MASK] with gammabar_t, a uniform token (x_0 among them) with M betabar_t, else x_0;
//               NONE, which is no token, where x_0 or t is out of range or t not visited.
// prior         x_T ~ p(x_T): [MASK] with gammabar_T, else a uniform token.
// timesteps     t ~ U{1 .. T}.
// mask_condition  Algorithm 1 of the paper: draw p ~ U(0,1) for every sample; if p < P_cond, each of its positions becomes
//               `mask` where its own draw is <= P_mask. P_mask = 1 drops the whole condition: classifier-free training.
//               Beside it a sample may lose its whole condition by a draw of its own (P_drop, 0 in the paper), so that
//               one network learns what both ways of guidance ask of it.
// restart_rows  one of `last` rows for each code that is due (idle[k] >= restart_after), without replacement: the r-th of
//               them gets row permutation(r mod last), so that no row comes twice before every row has come once.
//               The permutation of [0, last) is a Feistel network of ten rounds over the next power of four, applied
//               again while its result is outside (cycle walking). Codes that are not due get 0.
//
// Element i draws the words of counter (i, stream, step, 0); sample b those of (b, stream, step, 1); round r of the
// permutation those of (right half, stream, step, 2 + r). Probabilities are compared as 31-bit integers, so 0 means
// never and 1 always.
// Grids: one invocation an element, groups1d(count, WORKGROUP).

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
  tokens: u32,     // M; the caption's [MASK] is M
  per_step: u32,   // q_sample: positions a step t stands for; mask_condition: positions a sample
  last: u32,       // prior, timesteps: T; restart_rows: rows
  sample_threshold: u32,
  position_threshold: u32,
  mask: u32,       // the condition's own [MASK]
  drop_threshold: u32,
  pair: u32,       // mask_condition: 1 also writes the full condition, in front
  restart_after: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: array<u32>;
@group(0) @binding(2) var<storage, read> x0: array<u32>;
@group(0) @binding(3) var<storage, read> time: array<u32>;
@group(0) @binding(4) var<storage, read> thresholds: array<u32>;
@group(0) @binding(5) var<storage, read_write> drawn: array<u32>;
@group(0) @binding(6) var<storage, read> condition: array<u32>;
@group(0) @binding(7) var<storage, read> idle: array<f32>;

const NONE: u32 = 0xffffffffu;

fn words_of(index: u32, kind: u32) -> vec4<u32> {
  let counter = vec4<u32>(index, params.stream, rng[2], kind);
  let key = vec2<u32>(rng[0], rng[1]);
  return philox(counter, key);
}

@compute @workgroup_size(WORKGROUP)
fn q_sample(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.count) { return; }
  let words = words_of(i, 0u);
  let t = time[i / params.per_step];
  let row = t * 8u;
  let decision = words.x >> 1u;
  var token = x0[i];
  if (decision < thresholds[row]) {
    token = params.tokens;
  } else if (decision < thresholds[row + 1u]) {
    token = mul_hi(words.y, params.tokens);
  }
  // Of a step that is not visited, 0 among them, all thresholds are 0; of others not both of these.
  let visited = t < arrayLength(&thresholds) / 8u && (thresholds[row + 1u] | thresholds[row + 7u]) != 0u;
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
  let masked = (words.x >> 1u) < thresholds[params.last * 8u];
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
  drawn[i] = 1u + mul_hi(words_of(i, 0u).x, params.last);
}

@compute @workgroup_size(WORKGROUP)
fn mask_condition(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.count) { return; }
  let sample = words_of(i / params.per_step, 1u) >> vec4<u32>(1u);
  let chosen = sample.x < params.sample_threshold;
  let dropped = sample.y < params.drop_threshold;
  let hidden = dropped || (chosen && (words_of(i, 0u).x >> 1u) < params.position_threshold);
  let code = condition[i];
  var place = i;
  if (params.pair != 0u) {
    drawn[i] = code;
    place += params.count;
  }
  drawn[place] = select(code, params.mask, hidden);
}

fn permuted(index: u32) -> u32 {
  let half = (33u - countLeadingZeros(params.last - 1u)) / 2u;
  let low = (1u << half) - 1u;
  var x = index;
  loop {
    for (var turn = 0u; turn < 10u; turn++) {
      let right = x & low;
      x = (right << half) | ((x >> half) ^ (words_of(right, 2u + turn).x & low));
    }
    if (x < params.last) { return x; }
  }
}

@compute @workgroup_size(WORKGROUP)
fn restart_rows(
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
    row = permuted(rank % params.last);
  }
  drawn[i] = row;
}
