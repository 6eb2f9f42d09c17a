// Non-finite finder: adds to counts[slot] how many of values[first..first + count) are NaN or infinite (exponent bits all ones).
// With HALVES the values are float16, two in a word.
//
// Works on the bits, since an implementation may assume that floats are finite. Integer atomics: exact and repeatable.
// Grid: groups1d(count, WORKGROUP).

const WORKGROUP: u32 = 256; // @tune 64 128 256
const HALVES: bool = false; // @variant

struct Params {
  first: u32,
  count: u32,
  slot: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP)
fn count_non_finite(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (thread >= params.count) { return; }
  let i = params.first + thread;
  var word = 0u;
  var exponent = 0x7f800000u;
  if (HALVES) {
    word = values[i / 2u] >> (16u * (i % 2u));
    exponent = 0x7c00u;
  } else {
    word = values[i];
  }
  if ((word & exponent) == exponent) {
    atomicAdd(&counts[params.slot], 1u);
  }
}
