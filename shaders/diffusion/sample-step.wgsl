// One step of sampling, x_t -> x_u, for every position.
//
// step: draw x_0 ~ p~ (temperature, truncation), then x_u ~ q(x_u | x_t, x_0). That is a draw from the posterior mean
//       p(x_u | x_t) = sum_k q(x_u | x_t, k) p~(k), exactly, with one Gumbel number a token and O(1) for the rest.
//       Where x_t is out of range or t a step that the table does not visit, x_u is NONE, which is no token.
// step_places: the same in place, for chosen positions of x_t. Those after the scored ones go where x_0 does not matter.
// fix:  puts given words into x_t.
//
// Truncation "top-r": the smallest set of most probable tokens whose mass reaches r (the token that crosses r stays, so
// at least one does; of equally probable ones the lowest indices), renormalised. The threshold is found without sorting,
// by radix selection on the ordered bits of the score; masses are added as 31-bit integers, in any order the same.
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
const SPAN: u32 = 256u / WORKGROUP;
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

var<workgroup> part_high: array<f32, WORKGROUP>;
var<workgroup> part_sum: array<f32, WORKGROUP>;
var<workgroup> part_index: array<u32, WORKGROUP>;
var<workgroup> row_high: f32;
var<workgroup> row_sum: f32;

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> kept_key: u32;     // tokens above this key are kept,
var<workgroup> mass_above: u32;
var<workgroup> mass_needed: u32;
var<workgroup> last_tie: u32;     // and those with this key up to this index
var<workgroup> score_limit: f32;  // no token below this is needed to reach r

// A total order of floats as unsigned integers.
fn order_key(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// A token's probability in units of 2^-31 (the largest f32 below 2^31 stands for 1).
const full_mass: f32 = 2147483520.0;
fn mass_of(score: f32) -> u32 {
  return u32(exp((score - row_high) * params.sharpness) / row_sum * full_mass);
}

fn truncate(row: u32, lane: u32) {
  let base = row * params.width;
  var high = LOWEST;
  var sum = 0.0;
  for (var k = lane; k < params.width; k += WORKGROUP) {
    let score = scores[base + k];
    let next = max(high, score);
    sum = sum * exp((high - next) * params.sharpness) + exp((score - next) * params.sharpness);
    high = next;
  }
  part_high[lane] = high;
  part_sum[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) { high = max(high, part_high[other]); }
    sum = 0.0;
    for (var other = 0u; other < WORKGROUP; other++) {
      sum += part_sum[other] * exp((part_high[other] - high) * params.sharpness);
    }
    row_high = high;
    row_sum = sum;
    // Tokens below (1 - r) / (2 M) have less than half of the mass that may be missing, all together.
    score_limit = high + log(sum * (1.0 - params.top_r) * 0.5 / f32(params.width)) / params.sharpness;
    kept_key = 0u;
    mass_above = 0u;
  }
  for (var digit = 0u; digit < 4u; digit++) {
    let shift = 24u - 8u * digit;
    for (var bin = lane; bin < 256u; bin += WORKGROUP) { atomicStore(&histogram[bin], 0u); }
    workgroupBarrier();
    for (var k = lane; k < params.width; k += WORKGROUP) {
      let score = scores[base + k];
      let key = order_key(score);
      // Shifted in two parts: by 32 there is no shift.
      if (score >= score_limit && ((key ^ kept_key) >> shift) >> 8u == 0u) {
        atomicAdd(&histogram[(key >> shift) & 255u], mass_of(score));
      }
    }
    workgroupBarrier();
    // Down from the largest scores to the bin that reaches the mass: in spans of bins first, then in the span's bins.
    var span_mass = 0u;
    for (var bin = lane * SPAN; bin < (lane + 1u) * SPAN; bin++) { span_mass += atomicLoad(&histogram[bin]); }
    part_index[lane] = span_mass;
    workgroupBarrier();
    if (lane == 0u) {
      if (digit == 0u) {
        var total = 0u;
        for (var span = 0u; span < WORKGROUP; span++) { total += part_index[span]; }
        mass_needed = clamp(u32(params.top_r * full_mass), 1u, total);
      }
      var span = WORKGROUP - 1u;
      while (span > 0u && mass_above + part_index[span] < mass_needed) {
        mass_above += part_index[span];
        span -= 1u;
      }
      var bin = span * SPAN + SPAN - 1u;
      var inside = atomicLoad(&histogram[bin]);
      while (bin > span * SPAN && mass_above + inside < mass_needed) {
        mass_above += inside;
        bin -= 1u;
        inside = atomicLoad(&histogram[bin]);
      }
      kept_key |= bin << shift;
      part_index[0] = inside;
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    // All tokens of the last bin share one score, hence one mass.
    last_tie = params.width;
    let bits = select(~kept_key, kept_key ^ 0x80000000u, (kept_key >> 31u) == 1u);
    let each = max(1u, mass_of(bitcast<f32>(bits)));
    let ties = part_index[0] / each;
    var wanted = (mass_needed - mass_above + each - 1u) / each;
    if (wanted < ties) {
      for (var k = 0u; k < params.width && wanted > 0u; k++) {
        if (order_key(scores[base + k]) == kept_key) {
          wanted -= 1u;
          last_tie = k;
        }
      }
    }
  }
  workgroupBarrier();
}

// The index of x_0 in a row of scores, for lane 0: a draw, or the most probable token. The random numbers are those of
// row `place` under `key`: the words of the seed, then the step. `width` if the row holds NaN only.
fn draw_x0(row: u32, lane: u32, place: u32, key: vec3<u32>) -> u32 {
  let truncated = params.top_r < 1.0;
  if (truncated) { truncate(row, lane); }
  let lowest_key = kept_key;
  let tie_limit = last_tie;

  let quads = (params.width + 3u) / 4u;
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
        let score = scores[row * params.width + k];
        let order = order_key(score);
        if (!truncated || order > lowest_key || (order == lowest_key && k <= tie_limit)) {
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
  part_high[lane] = best;
  part_index[lane] = index;
  workgroupBarrier();
  if (lane == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) {
      let value = part_high[other];
      let at = part_index[other];
      if (at < params.width && (index == params.width || value > best || (value == best && at < index))) {
        best = value;
        index = at;
      }
    }
  }
  return index;
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
