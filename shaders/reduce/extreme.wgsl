// Where the largest or smallest element along an axis lies: best[o, i] = argmax_j x[o, j, i]; the first of equals, and the
// first NaN before all numbers.
//
// Shapes: x [outer, length, inner], dense; best [outer, parts, inner]. The candidates of an output (all j, or with CANDIDATES
// those that a first launch found, [outer, candidates, inner]) are dealt to `parts` parts in turn, so that many invocations
// share a long axis and neighbours read neighbouring elements; the last launch has one part.
// Grid: an invocation a (part, output), groups1d(outer · parts · inner, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const MINIMUM: bool = false; // @variant
const CANDIDATES: bool = false; // @variant

struct Params {
  length: u32,
  inner: u32,
  candidates: u32, // of an output; `length` without CANDIDATES
  parts: u32,
  count: u32,      // outer · parts · inner
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> candidates: array<u32>;
@group(0) @binding(3) var<storage, read_write> best: array<u32>;

// @shared order-key
// A word that orders float32 numbers as they are: rising, -0 like 0, every NaN above infinity.
fn order_key(z: f32) -> u32 {
  let bits = bitcast<u32>(z);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if (bits == 0x80000000u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
// @end shared

// The element that wins has the largest key.
fn key_of(z: f32) -> u32 {
  let key = order_key(z);
  return select(key, ~key, MINIMUM && key != 0xffffffffu);
}

@compute @workgroup_size(WORKGROUP)
fn find(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.count) { return; }
  let column = i % params.inner;
  let part = i / params.inner % params.parts;
  let outer = i / params.inner / params.parts;
  var winner = 0xffffffffu;
  var winning = 0u;
  for (var candidate = part; candidate < params.candidates; candidate += params.parts) {
    var j = candidate;
    if (CANDIDATES) { j = candidates[(outer * params.candidates + candidate) * params.inner + column]; }
    let key = key_of(x[(outer * params.length + j) * params.inner + column]);
    // Candidates of a second launch need not rise.
    if (winner == 0xffffffffu || key > winning || (key == winning && j < winner)) {
      winner = j;
      winning = key;
    }
  }
  best[i] = winner;
}
