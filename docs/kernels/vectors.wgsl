// The same, four numbers a load: four k of each of four rows of A, four columns of each of four k of B.
// 8 loads for 64 multiply-adds.
// Grid: (n / 32, n / 32).

@group(0) @binding(0) var<uniform> n: u32;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
  let width = n / 4u;
  let row = tile.y * 32u + at.y;
  let column = tile.x * 8u + at.x;
  var sums: array<vec4<f32>, 4>;
  for (var k = 0u; k < width; k++) {
    let right = array<vec4<f32>, 4>(
      b[4u * k * width + column],
      b[(4u * k + 1u) * width + column],
      b[(4u * k + 2u) * width + column],
      b[(4u * k + 3u) * width + column],
    );
    for (var i = 0u; i < 4u; i++) {
      let left = a[(row + 8u * i) * width + k];
      sums[i] += left.x * right[0] + left.y * right[1] + left.z * right[2] + left.w * right[3];
    }
  }
  for (var i = 0u; i < 4u; i++) { c[(row + 8u * i) * width + column] = sums[i]; }
}
