// The same. 16 × 16 invocations share tiles of A and B in workgroup memory: each element is loaded once, used 16 times.
// Grid: (n / 16, n / 16).

@group(0) @binding(0) var<uniform> n: u32;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

var<workgroup> a_tile: array<array<f32, 16>, 16>;
var<workgroup> b_tile: array<array<f32, 16>, 16>;

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
  var sum = 0.0;
  for (var first = 0u; first < n; first += 16u) {
    a_tile[at.y][at.x] = a[id.y * n + first + at.x];
    b_tile[at.y][at.x] = b[(first + at.y) * n + id.x];
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      sum += a_tile[at.y][k] * b_tile[k][at.x];
    }
    // Before the next tile overwrites this one.
    workgroupBarrier();
  }
  c[id.y * n + id.x] = sum;
}
