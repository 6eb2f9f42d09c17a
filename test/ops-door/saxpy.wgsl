// y = a·x + y: groups1d(count, WORKGROUP).

struct Params {
  a: f32,
  count: u32,
}

const WORKGROUP: u32 = 64; // @tune 32 64 128

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn saxpy(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < params.count) { y[id.x] += params.a * x[id.x]; }
}
