// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
//
//   key     = (seed_lo, seed_hi)
//   counter = (quad, stream, step, 0); each counter gives four 32-bit words
//   element i of a fill takes word i mod 4 of quad i / 4
//
// The state buffer is rng = [seed_lo, seed_hi, step, part]; `stream` comes with the dispatch, so a captured training step is
// replayed with fresh numbers by writing one word of the state. `part` is 0 but where processes share a batch: the elements of a
// dispatch are then those of part number `part` of as many elements each, and take the numbers that they have in the whole.
//
// Everything here is integer arithmetic up to one exact conversion, because WGSL leaves the last bits of log, cos, sqrt
// and of a*b+c to the driver: the same seed gives the same bits on every adapter and in src/engine/ops/philox.ts.
//
// Grid of the fills: one invocation a quad (four elements), groups1d(ceil(count / 4), WORKGROUP).
// Grid of categorical: one workgroup a row of log_probs [rows, width]; row r, entry k takes word k mod 4 of quad
// r * ceil(width / 4) + k / 4.

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
  return 1549071949u + (((u32(h) * u32(v)) >> 16u) << 14u);
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
  scale: f32,      // one multiplication, rounded once: the bits stay the same everywhere
  threshold: u32,  // bernoulli: P(1) in units of 2^-31
  rows: u32,       // categorical
  width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: array<u32>;
@group(0) @binding(2) var<storage, read_write> filled: array<f32>;
@group(0) @binding(3) var<storage, read> log_probs: array<f32>;
@group(0) @binding(4) var<storage, read_write> choice: array<u32>;

// The four words of one quad of this dispatch's stream.
fn quad_words(quad: u32) -> vec4<u32> {
  let counter = vec4<u32>(quad + rng[3] * (params.count / 4u), params.stream, rng[2], 0u);
  let key = vec2<u32>(rng[0], rng[1]);
  return philox(counter, key);
}

// sqrt(-2 ln u), u = (word | 1) / 2^32, as root * 2^-shift: the digit-by-digit integer square root gives 24 exact bits.
struct Radius { root: u32, shift: u32 }

fn radius(word: u32) -> Radius {
  let e = neg_log2(word | 1u);
  let k = countLeadingZeros(e.mantissa);
  // r^2 = square * 2^-power, power even; the constant is 2 ln 2 as 1.31
  var square = mul_hi(e.mantissa << k, 2977044472u);
  var power = k + e.scale - 1u;
  if ((power & 1u) == 1u) {
    square >>= 1u;
    power -= 1u;
  }
  var root = 0u;
  var rest = 0u;
  for (var digit = 0u; digit < 24u; digit++) {
    rest = (rest << 2u) | (square >> 30u);
    square <<= 2u;
    let trial = (root << 2u) | 1u;
    root <<= 1u;
    if (rest >= trial) {
      rest -= trial;
      root |= 1u;
    }
  }
  return Radius(root, 8u + power / 2u);
}

// sin(pi/2 * f / 2^32) as 1.31, by an odd minimax polynomial of degree 7 (error 6e-7).
fn quarter_sine(f: u32) -> u32 {
  let square = mul_hi(f, f);
  var s = 341174479u - mul_hi(18613970u, square);
  s = 2774092390u - mul_hi(s, square);
  return mul_hi(f, 3373248306u - (mul_hi(s, square) >> 1u));
}

// Box and Muller: two independent standard normals from two words, multiples of 2^-20 in [-6.7, 6.7].
fn normal_pair(word_radius: u32, word_angle: u32) -> vec2<f32> {
  let r = radius(word_radius);
  let f = (word_angle << 2u) | 2u;
  let sine = quarter_sine(f);
  let cosine = quarter_sine(0u - f);
  let quadrant = word_angle >> 30u;
  let turned = (quadrant & 1u) == 1u;
  let x = scaled(r, select(cosine, sine, turned));
  let y = scaled(r, select(sine, cosine, turned));
  return vec2<f32>(
    select(x, -x, quadrant == 1u || quadrant == 2u),
    select(y, -y, quadrant >= 2u),
  );
}

// radius * sine, rounded to a multiple of 2^-20.
fn scaled(r: Radius, sine: u32) -> f32 {
  let shift = r.shift - 13u;
  return f32((mul_hi(r.root << 8u, sine) + (1u << (shift - 1u))) >> shift) * 0x1p-20f;
}

@compute @workgroup_size(WORKGROUP)
fn uniform_fill(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let group = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  let quad = group * WORKGROUP + local_id.x;
  if (quad * 4u >= params.count) { return; }
  let words = quad_words(quad);
  for (var lane = 0u; lane < 4u; lane++) {
    let i = quad * 4u + lane;
    if (i < params.count) { filled[i] = params.scale * uniform01(words[lane]); }
  }
}

@compute @workgroup_size(WORKGROUP)
fn uniform_symmetric_fill(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let group = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  let quad = group * WORKGROUP + local_id.x;
  if (quad * 4u >= params.count) { return; }
  let words = quad_words(quad);
  for (var lane = 0u; lane < 4u; lane++) {
    let i = quad * 4u + lane;
    if (i < params.count) { filled[i] = params.scale * (f32(i32(words[lane]) >> 8u) * 0x1p-23f); }
  }
}

@compute @workgroup_size(WORKGROUP)
fn normal_fill(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let group = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  let quad = group * WORKGROUP + local_id.x;
  if (quad * 4u >= params.count) { return; }
  let words = quad_words(quad);
  let values = vec4<f32>(normal_pair(words.x, words.y), normal_pair(words.z, words.w));
  for (var lane = 0u; lane < 4u; lane++) {
    let i = quad * 4u + lane;
    if (i < params.count) { filled[i] = params.scale * values[lane]; }
  }
}

@compute @workgroup_size(WORKGROUP)
fn gumbel_fill(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let group = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  let quad = group * WORKGROUP + local_id.x;
  if (quad * 4u >= params.count) { return; }
  let words = quad_words(quad);
  for (var lane = 0u; lane < 4u; lane++) {
    let i = quad * 4u + lane;
    if (i < params.count) { filled[i] = params.scale * gumbel(words[lane]); }
  }
}

@compute @workgroup_size(WORKGROUP)
fn bernoulli_fill(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let group = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  let quad = group * WORKGROUP + local_id.x;
  if (quad * 4u >= params.count) { return; }
  let words = quad_words(quad);
  for (var lane = 0u; lane < 4u; lane++) {
    let i = quad * 4u + lane;
    if (i < params.count) { filled[i] = select(0.0, params.scale, (words[lane] >> 1u) < params.threshold); }
  }
}

var<workgroup> best_value: array<f32, WORKGROUP>;
var<workgroup> best_index: array<u32, WORKGROUP>;

// choice[row] = argmax_k (log_probs[row, k] + Gumbel noise): a draw from softmax(log_probs[row]). Ties go to the lowest k.
@compute @workgroup_size(WORKGROUP)
fn categorical(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let quads = (params.width + 3u) / 4u;
  var value = -3.0e38f;
  var index = params.width;
  for (var quad = local_id.x; quad < quads; quad += WORKGROUP) {
    let words = quad_words(row * quads + quad);
    for (var lane = 0u; lane < 4u; lane++) {
      let k = quad * 4u + lane;
      if (k < params.width) {
        let candidate = log_probs[row * params.width + k] + gumbel(words[lane]);
        if (candidate > value || index == params.width) {
          value = candidate;
          index = k;
        }
      }
    }
  }
  best_value[local_id.x] = value;
  best_index[local_id.x] = index;
  workgroupBarrier();
  if (local_id.x == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) {
      let candidate = best_value[other];
      let at = best_index[other];
      if (at < params.width && (candidate > value || (candidate == value && at < index))) {
        value = candidate;
        index = at;
      }
    }
    choice[row] = index;
  }
}
