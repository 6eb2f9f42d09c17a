// y = x / (1 + |x|) of `count` elements, and its gradient dx = dy / (1 + |x|)². One invocation an element.

const WORKGROUP: u32 = 64; // @tune 64 128 256

struct Params {
  count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(workgroup_id) at: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (at.y * grid.x + at.x) * WORKGROUP + local;
  if (i < params.count) { y[i] = x[i] / (1.0 + abs(x[i])); }
}

@compute @workgroup_size(WORKGROUP)
fn backward(@builtin(workgroup_id) at: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (at.y * grid.x + at.x) * WORKGROUP + local;
  if (i < params.count) { dx[i] = dy[i] / ((1.0 + abs(x[i])) * (1.0 + abs(x[i]))); }
}
