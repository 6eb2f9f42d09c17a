// The same. A subgroup makes 4·LANES rows × 4·LANES columns of C, a lane four columns of all rows. A lane loads four k of four
// rows of A and hands them to the others by shuffles: for each four k 8 loads for 16·LANES·4 multiply-adds.
// Grid: (n / (4·LANES), n / (4·LANES)).

enable subgroups;

const LANES: u32 = 8;

@group(0) @binding(0) var<uniform> n: u32;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
  let width = n / 4u;
  let row = tile.y * 4u * LANES;
  let column = tile.x * LANES + lane;
  var sums: array<vec4<f32>, 4u * LANES>;
  for (var k = 0u; k < width; k++) {
    var left: array<vec4<f32>, 4>;
    for (var g = 0u; g < 4u; g++) { left[g] = a[(row + g * LANES + lane) * width + k]; }
    for (var u = 0u; u < 4u; u++) {
      let right = b[(4u * k + u) * width + column];
      for (var g = 0u; g < 4u; g++) {
        for (var r = 0u; r < LANES; r++) {
          sums[g * LANES + r] += subgroupShuffle(left[g][u], r) * right;
        }
      }
    }
  }
  for (var i = 0u; i < 4u * LANES; i++) { c[(row + i) * width + column] = sums[i]; }
}
