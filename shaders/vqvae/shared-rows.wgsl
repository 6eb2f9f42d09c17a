// The vectors that restart codes where each of several processes holds a part of the batch. Their sum over all processes has every
// row once: a row that lies elsewhere is 0 here.
//
//   chosen[k] = batch_rows[row_k - first]  if first <= row_k < first + rows, else 0        order[k] = k
//
// Shapes: drawn [K], rows of the whole batch; batch_rows [rows, width]; chosen [K, width]; order [K].
// Grid: one invocation an element of chosen, groups1d(K * width, WORKGROUP).

const WORKGROUP: u32 = 64; // @tune 32 64 128 256

struct Params {
  count: u32,  // K * width
  width: u32,
  rows: u32,
  first: u32,  // the batch's number of this process's first row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> drawn: array<u32>;
@group(0) @binding(2) var<storage, read> batch_rows: array<f32>;
@group(0) @binding(3) var<storage, read_write> chosen: array<f32>;
@group(0) @binding(4) var<storage, read_write> order: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn choose(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.count) { return; }
  let code = i / params.width;
  let row = drawn[code] - params.first; // below 0 it wraps to a large number
  chosen[i] = 0.0;
  if (row < params.rows) { chosen[i] = batch_rows[row * params.width + i % params.width]; }
  if (i % params.width == 0u) { order[code] = code; }
}
