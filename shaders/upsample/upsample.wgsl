// Nearest-neighbour enlargement by a whole factor f, channels last.
//
//   y[b, oy, ox, c] = x[b, ⌊oy/f⌋, ⌊ox/f⌋, c],  dx[b, iy, ix, c] = Σ_{i, j < f} dy[b, iy·f + i, ix·f + j, c]
//
// input x [B·H, W, columns], output y [B·H·f, W·f, columns]; a column is one Element (4 channels, or 1 where the
// channels are not divisible by 4). One invocation takes one element of x: it is read, or written, once.
// Grid: groups1d(B·H·W·columns, WORKGROUP).

alias Element = vec4<f32>; // @variant vector=vec4<f32> scalar=f32
const WORKGROUP: u32 = 64; // @tune 64 128 256

struct Params {
  lines: u32,
  width: u32,
  columns: u32,
  factor: u32,
  accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<Element>;
@group(0) @binding(2) var<storage, read_write> output: array<Element>;
@group(0) @binding(3) var<storage, read> doutput: array<Element>;
@group(0) @binding(4) var<storage, read_write> dinput: array<Element>;

/** The element of the enlarged image at the upper left of what element i of the small one becomes. */
fn corner(i: u32) -> u32 {
  let pixel = i / params.columns;
  let line = pixel / params.width;
  let ix = pixel - line * params.width;
  return (line * params.factor * params.width + ix) * params.factor * params.columns + i - pixel * params.columns;
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.lines * params.width * params.columns) {
    return;
  }
  let value = input[i];
  let first = corner(i);
  for (var fy = 0u; fy < params.factor; fy++) {
    for (var fx = 0u; fx < params.factor; fx++) {
      output[first + (fy * params.factor * params.width + fx) * params.columns] = value;
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.lines * params.width * params.columns) {
    return;
  }
  let first = corner(i);
  var sum = Element(0.0);
  for (var fy = 0u; fy < params.factor; fy++) {
    for (var fx = 0u; fx < params.factor; fx++) {
      sum += doutput[first + (fy * params.factor * params.width + fx) * params.columns];
    }
  }
  if (params.accumulate != 0u) {
    sum += dinput[i];
  }
  dinput[i] = sum;
}
