// The Masked Condition Strategy, Algorithm 1 of the paper: which positions of the condition y a network does not see.
//
//   per sample p ~ U(0,1);  if p < P_cond:  y_i <- [MASK] wherever its own draw is <= P_mask
//
// With drawn rates each such sample has a P_mask of its own, uniform between 0 and the given one: one network then learns every share.
// P_mask = 1 drops the whole condition: classifier-free training. Beside it a sample may lose its whole condition by a draw of
// its own (P_drop, 0 in the paper), so that one network learns what both ways of guidance ask of it.
//
// Instead of single positions a sample may lose one rectangle of its grid of codes, rows x columns or lying on its other side, at
// a random place: neighbouring codes know of each other, so single ones hide little. With drawn rates its sides are drawn, each from
// 1 to the given one.
//
// Position i draws the words of counter (i, stream, step, 0), sample b those of (b, stream, step, 1), its rectangle those of
// (b, stream, step, 2); of a batch in parts (rng.wgsl) i and b count from the start of the whole. Probabilities are compared as 31-bit integers, so 0 means never and 1 always.
// Shapes: condition [count]; drawn [count], or [2 count] for a pair: the full condition, then the masked one.
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
  per_sample: u32,          // positions a sample
  sample_threshold: u32,    // P_cond
  position_threshold: u32,  // P_mask
  drop_threshold: u32,      // P_drop
  mask: u32,                // the condition's own [MASK]
  pair: u32,                // 1 also writes the full condition, in front
  side: u32,                // the grid is side x side; 0 draws single positions
  rows: u32,                // of the rectangle
  columns: u32,
  rates_drawn: u32,         // 1: each sample draws its own P_mask, or its own sides of the rectangle
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rng: array<u32>;
@group(0) @binding(2) var<storage, read> condition: array<u32>;
@group(0) @binding(3) var<storage, read_write> drawn: array<u32>;

// @shared words-of
// The random words of an element; `kind` tells the draws of one dispatch apart.
fn words_of(index: u32, kind: u32) -> vec4<u32> {
  let counter = vec4<u32>(index, params.stream, rng[2], kind);
  let key = vec2<u32>(rng[0], rng[1]);
  return philox(counter, key);
}
// @end shared

// Whether the rectangle of a sample covers a position of its grid.
fn in_block(sample: u32, position: u32) -> bool {
  let drawn = words_of(sample, 2u);
  var sides = vec2<u32>(params.rows, params.columns);
  if (params.rates_drawn != 0u) { sides = 1u + ((vec2<u32>(drawn.w & 0xffffu, drawn.w >> 16u) * sides) >> vec2<u32>(16u)); }
  let turned = (drawn.x & 1u) == 1u;
  let rows = select(sides.x, sides.y, turned);
  let columns = select(sides.y, sides.x, turned);
  let top = drawn.y % (params.side - rows + 1u);
  let left = drawn.z % (params.side - columns + 1u);
  let row = position / params.side;
  let column = position % params.side;
  return row >= top && row < top + rows && column >= left && column < left + columns;
}

@compute @workgroup_size(WORKGROUP)
fn mask_condition(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.count) { return; }
  let element = i + rng[3] * params.count;
  let words = words_of(element / params.per_sample, 1u);
  let sample = words >> vec4<u32>(1u);
  let threshold = select(params.position_threshold, mul_hi(words.z, params.position_threshold), params.rates_drawn != 0u);
  let chosen = sample.x < params.sample_threshold;
  let dropped = sample.y < params.drop_threshold;
  var hidden = dropped;
  if (chosen && params.side == 0u) { hidden |= (words_of(element, 0u).x >> 1u) < threshold; }
  if (chosen && params.side != 0u) { hidden |= in_block(element / params.per_sample, i % params.per_sample); }
  let code = condition[i];
  var place = i;
  if (params.pair != 0u) {
    drawn[i] = code;
    place += params.count;
  }
  drawn[place] = select(code, params.mask, hidden);
}
