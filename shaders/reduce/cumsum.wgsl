// Sums from the start of an axis up to each element: y[j] = Σ_{i ≤ j} x[i], or i < j (EXCLUSIVE), or from the end (REVERSE).
//
// Shapes: x, y [outer, length, inner], dense. An axis is cut into `parts` parts of PART elements. The sums of the parts,
// [outer, parts, inner], are scanned by the same kernels first, so that no invocation adds more than PART elements:
//   part_sums  the sum of one part
//   scan       the running sum inside of one part, from where the parts before it end (`offsets`; HAS_OFFSETS)
// Both: an invocation a part, groups1d(outer · parts · inner, WORKGROUP). The gradient is the scan from the other end.
// The order of additions is fixed, so results repeat to the bit.
// @more

const WORKGROUP: u32 = 64; // @tune 32 64 128
const PART: u32 = 64u;
const EXCLUSIVE: bool = false; // @variant
const REVERSE: bool = false; // @variant
const HAS_OFFSETS: bool = false; // @variant
alias T = f32; // @variant f32=f32 u32=u32 i32=i32

struct Params {
  length: u32,
  inner: u32,
  parts: u32,
  count: u32, // outer · parts · inner
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<T>;
@group(0) @binding(2) var<storage, read> offsets: array<T>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;

// Where a part lies: the place of the axis's first element, and the first and last steps along it.
struct Part {
  base: u32,
  first: u32,
  end: u32,
}

fn part_of(i: u32) -> Part {
  let part = i / params.inner % params.parts;
  let outer = i / params.inner / params.parts;
  let first = part * PART;
  return Part(outer * params.length * params.inner + i % params.inner, first, min(first + PART, params.length));
}

fn place_of(base: u32, step: u32) -> u32 {
  return base + select(step, params.length - 1u - step, REVERSE) * params.inner;
}

fn place(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + local;
}

@compute @workgroup_size(WORKGROUP)
fn part_sums(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.count) { return; }
  let part = part_of(i);
  var sum = T(0);
  for (var step = part.first; step < part.end; step++) { sum += x[place_of(part.base, step)]; }
  y[i] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn scan(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = place(group, groups, local);
  if (i >= params.count) { return; }
  let part = part_of(i);
  var sum = T(0);
  if (HAS_OFFSETS) { sum = offsets[i]; }
  for (var step = part.first; step < part.end; step++) {
    let at = place_of(part.base, step);
    let before = sum;
    sum += x[at];
    var result = sum;
    if (EXCLUSIVE) { result = before; }
    if (params.accumulate != 0u) { result += y[at]; }
    y[at] = result;
  }
}
