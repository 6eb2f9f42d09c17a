// Importance sampling of the time step, as in VQ-Diffusion's training: steps whose loss is large are drawn more often,
// and each sequence's loss is divided by how much more often.
//
//   history[t] = (e, n): e <- 0.9 e + 0.1 loss^2 for every sequence trained at step t, n counts them
//   p(t) is uniform until every n > 10, then proportional to sqrt(e + 1e-10) + 1e-4, step 1 taking the value of step 2
//   (its loss is of another kind); weight = 1 / (T p(t)).
//
// Shapes: history [T+1] vec2; time, weight [sequences]; terms: the KL of every position first, [sequences * length].
// Grids: draw: one workgroup. update: one invocation a step, groups1d(T, WORKGROUP); sequences in order, so that two of
// the same step give the same result every time.

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

const WORKGROUP: u32 = 64; // @tune 32 64 128

struct Params {
  sequences: u32,
  length: u32,
  last: u32,     // T
  stream: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: array<u32>;
@group(0) @binding(2) var<storage, read> history: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> time: array<u32>;
@group(0) @binding(4) var<storage, read_write> weight: array<f32>;
@group(0) @binding(5) var<storage, read> terms: array<f32>;
@group(0) @binding(6) var<storage, read> trained: array<u32>;
@group(0) @binding(7) var<storage, read_write> updated: array<vec2<f32>>;

fn share(t: u32, ready: bool) -> f32 {
  if (!ready) { return 1.0; }
  return sqrt(history[max(t, 2u)].x + 1.0e-10) + 1.0e-4;
}

@compute @workgroup_size(WORKGROUP)
fn draw(@builtin(local_invocation_id) local_id: vec3<u32>) {
  var ready = true;
  for (var t = 1u; t <= params.last; t++) { ready = ready && history[t].y > 10.0; }
  var total = 0.0;
  for (var t = 1u; t <= params.last; t++) { total += share(t, ready); }
  let key = vec2<u32>(rng[0], rng[1]);
  for (var b = local_id.x; b < params.sequences; b += WORKGROUP) {
    let counter = vec4<u32>(b, params.stream, rng[2], 0u);
    let goal = uniform01(philox(counter, key).x) * total;
    var reached = 0.0;
    var chosen = params.last;
    for (var t = 1u; t <= params.last; t++) {
      reached += share(t, ready);
      if (goal < reached) {
        chosen = t;
        break;
      }
    }
    time[b] = chosen;
    weight[b] = total / (f32(params.last) * share(chosen, ready));
  }
}

@compute @workgroup_size(WORKGROUP)
fn update(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let t = 1u + (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (t > params.last) { return; }
  var entry = updated[t];
  for (var b = 0u; b < params.sequences; b++) {
    if (trained[b] == t) {
      var sum = 0.0;
      for (var i = 0u; i < params.length; i++) { sum += terms[b * params.length + i]; }
      let loss = sum / f32(params.length);
      entry = vec2<f32>(0.9 * entry.x + 0.1 * loss * loss, entry.y + 1.0);
    }
  }
  updated[t] = entry;
}
