// Elements by index along an axis, their sums by destination, and rows with a single one.
//
//   gather      y[o, k, i] (+)= x[o, index[o, k, i], i]
//   scatter     y[o, l, i] (+)= Σ over k with index[o, k, i] = l of source[o, k, i]
//   one_hot     y[n, c] = 1 where ids[n] = c, else 0
//
// Shapes: x and the result of a scatter [outer, length, inner]; index, source and the result of a gather
// [outer, picks, inner]; all dense. An index of `length` or more counts as length - 1.
//
// A scatter adds in the order of k, without float atomics, so that results repeat to the bit.
//   scatter_few  an invocation a destination looks at all picks of its column: for few picks, where that is cheap
// For many picks the sources are sorted by destination, stably, by four bits a pass from the lowest: O(picks) work a pass,
// and as many passes as the number of destinations has groups of four bits.
//   destinations  the destination of each source, as its key
//   count_digits  how often each digit occurs in a stretch of STRETCH sources: counts [16, stretches], scanned afterwards
//                 (cumsum.wgsl) to where the first of each goes
//   place         moves keys and source numbers there, in order
//   chunk_sums    sums of CHUNK sorted sources that have one destination, so that no invocation adds a long run alone
//   sum_sorted    an invocation a destination finds its run by bisection and adds it: head, whole chunks, tail
// Grids: groups1d(elements of the result, destinations, sources, stretches or chunks, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 64 128 256
const STRETCH: u32 = 64u;
const CHUNK: u32 = 64u;
const FIRST: bool = false; // @variant
alias T = f32; // @variant f32=f32 u32=u32 i32=i32

struct Params {
  length: u32,
  inner: u32,
  picks: u32,
  count: u32,     // elements of the result of gather, one_hot and the scatters; else sources
  sources: u32,
  shift: u32,     // bits below the digit that is sorted by
  stretches: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<T>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;

fn place_in(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

/// The place in [outer, length, inner] that pick n of [outer, picks, inner] names.
fn named_by(n: u32) -> u32 {
  let outer = n / params.inner / params.picks;
  return (outer * params.length + min(index[n], params.length - 1u)) * params.inner + n % params.inner;
}

@compute @workgroup_size(WORKGROUP)
fn gather(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let n = place_in(group, groups, local);
  if (n >= params.count) { return; }
  var value = x[named_by(n)];
  if (params.accumulate != 0u) { value += y[n]; }
  y[n] = value;
}

@group(0) @binding(3) var<storage, read_write> hot: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn one_hot(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place_in(group, groups, local);
  if (i >= params.count) { return; }
  hot[i] = select(0.0, 1.0, index[i / params.length] == i % params.length);
}

@group(0) @binding(2) var<storage, read> source: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn scatter_few(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let destination = place_in(group, groups, local);
  if (destination >= params.count) { return; }
  let column = destination % params.inner;
  let row = destination / params.inner % params.length;
  let base = destination / params.inner / params.length * params.picks;
  var sum = 0.0;
  for (var k = 0u; k < params.picks; k++) {
    let n = (base + k) * params.inner + column;
    if (min(index[n], params.length - 1u) == row) { sum += source[n]; }
  }
  if (params.accumulate != 0u) { sum += hot[destination]; }
  hot[destination] = sum;
}

@group(0) @binding(3) var<storage, read_write> keys: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn destinations(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let n = place_in(group, groups, local);
  if (n < params.sources) { keys[n] = named_by(n); }
}

@group(0) @binding(1) var<storage, read> old_keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> counts: array<u32>;

fn digit_of(key: u32) -> u32 {
  return (key >> params.shift) & 15u;
}

@compute @workgroup_size(WORKGROUP)
fn count_digits(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let stretch = place_in(group, groups, local);
  if (stretch >= params.stretches) { return; }
  var found: array<u32, 16>;
  let end = min((stretch + 1u) * STRETCH, params.sources);
  for (var at = stretch * STRETCH; at < end; at++) { found[digit_of(old_keys[at])]++; }
  for (var digit = 0u; digit < 16u; digit++) { counts[digit * params.stretches + stretch] = found[digit]; }
}

@group(0) @binding(2) var<storage, read> old_order: array<u32>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;
@group(0) @binding(5) var<storage, read_write> order: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn place(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let stretch = place_in(group, groups, local);
  if (stretch >= params.stretches) { return; }
  var next: array<u32, 16>;
  for (var digit = 0u; digit < 16u; digit++) { next[digit] = starts[digit * params.stretches + stretch]; }
  let end = min((stretch + 1u) * STRETCH, params.sources);
  for (var at = stretch * STRETCH; at < end; at++) {
    let key = old_keys[at];
    let to = next[digit_of(key)];
    next[digit_of(key)] = to + 1u;
    keys[to] = key;
    var number = at;
    if (!FIRST) { number = old_order[at]; }
    order[to] = number;
  }
}

@group(0) @binding(5) var<storage, read> sorted: array<u32>;
@group(0) @binding(6) var<storage, read_write> sums: array<f32>;

/// The sources at sorted places first to end - 1, added in order.
fn run(first: u32, end: u32) -> f32 {
  var sum = 0.0;
  for (var at = first; at < end; at++) { sum += source[sorted[at]]; }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn chunk_sums(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let chunk = place_in(group, groups, local);
  let first = chunk * CHUNK;
  if (first + CHUNK > params.sources) { return; }
  // A chunk that holds several destinations is never read as a whole.
  if (old_keys[first] == old_keys[first + CHUNK - 1u]) { sums[chunk] = run(first, first + CHUNK); }
}

/// The first sorted place whose key is `key` or more.
fn bound(key: u32) -> u32 {
  var low = 0u;
  var high = params.sources;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (old_keys[middle] < key) { low = middle + 1u; } else { high = middle; }
  }
  return low;
}

@group(0) @binding(6) var<storage, read> whole_chunks: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn sum_sorted(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let destination = place_in(group, groups, local);
  if (destination >= params.count) { return; }
  let first = bound(destination);
  let end = bound(destination + 1u);
  let first_chunk = (first + CHUNK - 1u) / CHUNK;
  let end_chunk = max(end / CHUNK, first_chunk);
  var sum = run(first, min(end, first_chunk * CHUNK));
  for (var chunk = first_chunk; chunk < end_chunk; chunk++) { sum += whole_chunks[chunk]; }
  sum += run(max(end_chunk * CHUNK, first), end);
  if (params.accumulate != 0u) { sum += hot[destination]; }
  hot[destination] = sum;
}
