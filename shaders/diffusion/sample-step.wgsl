// One step of sampling, x_t -> x_u, for every position.
//
// step: draw x_0 ~ p~ (temperature, truncation), then x_u ~ q(x_u | x_t, x_0). That is a draw from the posterior mean
//       p(x_u | x_t) = sum_k q(x_u | x_t, k) p~(k), exactly, with one Gumbel number a token and O(1) for the rest.
//       Where x_t is out of range or t a step that the table does not visit, x_u is NONE, which is no token.
// step_places: the same in place, for chosen positions of x_t. Those after the scored ones go where x_0 does not matter.
// fix:  puts given words into x_t.
//
// Truncation "top-r": a token is kept if the tokens before it, in the order of probability (equal ones by index), hold less
// than r of the mass: the smallest set whose mass reaches r, renormalised. Nothing is sorted. A draw from all tokens that is
// kept is the draw from the kept ones, as the largest of all sums is the largest of theirs. A second reading adds up the mass
// before it; if that reaches r, no token from it on is kept, and the draw is repeated among those before it. That takes
// 1 + ln(1 / r) draws of two readings each, on average, and masses are added in an order that is always the same.
//
// Randomness: entry k of row i takes word k mod 4 of counter (i * ceil(width / 4) + k / 4, stream, step, 0); the second
// draw the words of (i, stream, step, 1).
// Shapes: scores [rows, width] (logits or log-probabilities); xt, fixed_at, fixed_words [rows]; drawn [copies * rows];
// thresholds [T+1]; places [rows]: (index in tokens, row of the random numbers, two words of the seed); tokens: x_t, then x_u.
// Grids: step, step_places: one workgroup a row. fix: one invocation a row, groups1d(rows, WORKGROUP).

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

const WORKGROUP: u32 = 32; // @tune 8 16 32 64 128 256
const LOWEST: f32 = -3.0e38;
const NONE: u32 = 0xffffffffu;

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
  rows: u32,
  width: u32,
  stream: u32,
  time: u32,          // t, the row of thresholds
  sharpness: f32,     // 1 / temperature
  top_r: f32,         // 1 or more: no truncation
  greedy: u32,        // 1: the most probable x_0 instead of a draw
  has_fixed: u32,     // 1: positions with fixed_at != 0 become their word
  copies: u32,        // times the rows of drawn are written, one after the other (2 for a guided batch)
  scored: u32,        // of step_places: rows of scores
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: array<u32>;
@group(0) @binding(2) var<storage, read> scores: array<f32>;
@group(0) @binding(3) var<storage, read> xt: array<u32>;
@group(0) @binding(4) var<storage, read> thresholds: array<Thresholds>;
@group(0) @binding(5) var<storage, read> fixed_at: array<u32>;
@group(0) @binding(6) var<storage, read> fixed_words: array<u32>;
@group(0) @binding(7) var<storage, read_write> drawn: array<u32>;
@group(0) @binding(8) var<storage, read> places: array<vec4<u32>>;
@group(0) @binding(9) var<storage, read_write> tokens: array<u32>;

var<workgroup> part_best: array<f32, WORKGROUP>;
var<workgroup> part_mass: array<f32, WORKGROUP>;
var<workgroup> part_index: array<u32, WORKGROUP>;
var<workgroup> row_index: u32;
var<workgroup> kept: u32;

// Whether a token is before token `other` in the order of probability.
fn before(score: f32, k: u32, other_score: f32, other: u32) -> bool {
  return score > other_score || (score == other_score && k < other);
}

// The index of x_0 in a row of scores: a draw, or the most probable token. The random numbers are those of
// row `place` under `key`: the words of the seed, then the step. `width` if it is NaN.
fn draw_x0(row: u32, lane: u32, place: u32, key: vec3<u32>) -> u32 {
  let base = row * params.width;
  let quads = (params.width + 3u) / 4u;
  // The first token that is not kept, if known.
  var limit = LOWEST;
  var end = NONE;
  loop {
    var best = LOWEST;
    var index = params.width;
    for (var quad = lane; quad < quads; quad += WORKGROUP) {
      var noise = vec4<u32>(0u);
      if (params.greedy == 0u) {
        noise = philox(vec4<u32>(place * quads + quad, params.stream, key.z, 0u), key.xy);
      }
      for (var word = 0u; word < 4u; word++) {
        let k = quad * 4u + word;
        if (k < params.width) {
          let score = scores[base + k];
          if (end == NONE || before(score, k, limit, end)) {
            var value = score * params.sharpness;
            if (params.greedy == 0u) { value += gumbel(noise[word]); }
            if (value > best || index == params.width) {
              best = value;
              index = k;
            }
          }
        }
      }
    }
    part_best[lane] = best;
    part_index[lane] = index;
    workgroupBarrier();
    if (lane == 0u) {
      for (var other = 1u; other < WORKGROUP; other++) {
        let value = part_best[other];
        let at = part_index[other];
        if (at < params.width && (index == params.width || value > best || (value == best && at < index))) {
          best = value;
          index = at;
        }
      }
      row_index = index;
    }
    // The most probable token is always kept.
    end = workgroupUniformLoad(&row_index);
    limit = scores[base + end];
    // NaN is not a token's score: a row that draws it has none, and its caption is told as unfinished.
    if ((bitcast<u32>(limit) & 0x7fffffffu) > 0x7f800000u) {
      end = params.width;
      break;
    }
    if (params.top_r >= 1.0 || params.greedy != 0u) { break; }
    // Masses are in units of the drawn token's: where one overflows, so does the mass before it, which is enough then.
    var mass = 0.0;
    var mass_before = 0.0;
    for (var k = lane; k < params.width; k += WORKGROUP) {
      let score = scores[base + k];
      let probability = exp((score - limit) * params.sharpness);
      mass += probability;
      if (before(score, k, limit, end)) { mass_before += probability; }
    }
    part_mass[lane] = mass;
    part_best[lane] = mass_before;
    workgroupBarrier();
    if (lane == 0u) {
      for (var other = 1u; other < WORKGROUP; other++) {
        mass += part_mass[other];
        mass_before += part_best[other];
      }
      kept = select(1u, 0u, mass_before > 0.0 && mass_before >= params.top_r * mass);
    }
    if (workgroupUniformLoad(&kept) != 0u) { break; }
  }
  return end;
}

// x_u ~ q(x_u | x_t = here, x_0): stay at x_t, go to x_0, or a uniform token.
fn draw_xu(here: u32, x0: u32, place: u32, key: vec3<u32>) -> u32 {
  let limits = thresholds[params.time];
  var stay = limits.other_stay;
  var start = limits.other_x0;
  if (here >= params.width) {
    stay = limits.masked_stay;
    start = limits.masked_x0;
  }
  if (here == x0) {
    stay = limits.same_stay;
    start = limits.same_x0;
  }
  let words = philox(vec4<u32>(place, params.stream, key.z, 1u), key.xy);
  let decision = words.x >> 1u;
  var token = mul_hi(words.y, params.width);
  if (decision < stay) {
    token = here;
  } else if (decision < start) {
    token = x0;
  }
  // Of a step that is not visited, 0 among them, all thresholds are 0; of others not both of these.
  let visited = (limits.noise_uniform | limits.same_x0) != 0u;
  if (here > params.width || !visited) { token = NONE; }
  return token;
}

@compute @workgroup_size(WORKGROUP)
fn step(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let lane = local_id.x;
  let key = vec3<u32>(rng[0], rng[1], rng[2]);
  let x0 = draw_x0(row, lane, row, key);
  if (lane == 0u) {
    var token = draw_xu(xt[row], x0, row, key);
    if (params.has_fixed != 0u && fixed_at[row] != 0u) { token = fixed_words[row]; }
    for (var copy = 0u; copy < params.copies; copy++) { drawn[copy * params.rows + row] = token; }
  }
}

@compute @workgroup_size(WORKGROUP)
fn step_places(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let row = workgroup_id.y * num_workgroups.x + workgroup_id.x;
  if (row >= params.rows) { return; }
  let lane = local_id.x;
  let place = places[row];
  let key = vec3<u32>(place.zw, 0u);
  var x0 = NONE;
  if (row < params.scored) { x0 = draw_x0(row, lane, place.y, key); }
  if (lane == 0u) { tokens[place.x] = draw_xu(tokens[place.x], x0, place.y, key); }
}

// drawn = xt with the given words in it, as infilling needs them at x_T; and as many copies as the batch has branches.
@compute @workgroup_size(WORKGROUP)
fn fix(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.rows) { return; }
  var token = xt[i];
  if (params.has_fixed != 0u && fixed_at[i] != 0u) { token = fixed_words[i]; }
  for (var copy = 0u; copy < params.copies; copy++) { drawn[copy * params.rows + i] = token; }
}
