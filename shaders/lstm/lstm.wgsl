// The part of an LSTM (Hochreiter & Schmidhuber 1997, with a forget gate) behind its products z = x·W + h·U + b:
//
//   i, f, o = σ(z_i), σ(z_f), σ(z_o)      g = tanh(z_g)      c' = f c + i g      h' = o tanh(c')
//   dc' += dh' o (1 - tanh(c')²)          dc = dc' f
//   dz_i = dc' g i (1 - i)    dz_f = dc' c f (1 - f)    dz_g = dc' i (1 - g²)    dz_o = dh' tanh(c') o (1 - o)
//
// z, dz [B, 4H] in the order i, f, g, o; h, c [B, H]. One invocation an element of h; neighbours have neighbouring channels.
// cell_forward, cell_backward: one step; state and dstate [2, B, H] are h' and c' and their gradients.
// sequence_forward, sequence_backward: step `step` of T, over memory [2, T + 1, B, H]: all h, then all c, from the initial ones
// on. kept [T, B, 4H] are the gates i, f, g, o. dhidden [B, H] is the gradient of h' from the step behind, dcell [B, H] that of
// c', which becomes that of c; with FIRST (the last step, the first to go back through) neither is read.
// Grids: groups1d(B·H, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const FIRST: bool = false; // @variant

struct Params {
  batch: u32,
  width: u32, // H
  steps: u32, // T
  step: u32,
  accumulate_gates: u32,
  accumulate_cell: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gates: array<f32>;
@group(0) @binding(2) var<storage, read> cell: array<f32>;
@group(0) @binding(3) var<storage, read_write> state: array<f32>;

/// Element i of the gates at its place in [B, 4H]: i, f, g, o.
struct Gates {
  input: f32,
  forget: f32,
  candidate: f32,
  output: f32,
}

/// Where the first of an element's four gates lies.
fn gate_at(i: u32) -> u32 {
  return (i / params.width) * 4u * params.width + i % params.width;
}

fn sigmoid(z: f32) -> f32 {
  return 1.0 / (1.0 + exp(-z));
}

// By way of a bounded exponential, since the built-in overflows on some drivers; near 0, where 1 - e would cancel, the
// series up to z^9 (what is left out is below 1e-8 of the sum).
fn hyperbolic_tangent(z: f32) -> f32 {
  let e = exp(-2.0 * abs(z));
  let w = z * z;
  let series = z + z * w * (-1.0 / 3.0 + w * (2.0 / 15.0 + w * (-17.0 / 315.0 + w * (62.0 / 2835.0))));
  return select(sign(z) * (1.0 - e) / (1.0 + e), series, abs(z) < 0.25);
}

fn activated(z: vec4<f32>) -> Gates {
  return Gates(sigmoid(z.x), sigmoid(z.y), hyperbolic_tangent(z.z), sigmoid(z.w));
}

fn read_gates(i: u32) -> vec4<f32> {
  let at = gate_at(i);
  let width = params.width;
  return vec4<f32>(gates[at], gates[at + width], gates[at + 2u * width], gates[at + 3u * width]);
}

/// (h', c')
fn stepped(all: Gates, c: f32) -> vec2<f32> {
  let next = all.forget * c + all.input * all.candidate;
  return vec2<f32>(all.output * hyperbolic_tangent(next), next);
}

struct Gradients {
  z: vec4<f32>,
  c: f32,
}

fn stepped_back(all: Gates, c: f32, dh: f32, dnext: f32) -> Gradients {
  let t = hyperbolic_tangent(all.forget * c + all.input * all.candidate);
  let dc = dnext + dh * all.output * (1.0 - t * t);
  return Gradients(
    vec4<f32>(
      dc * all.candidate * all.input * (1.0 - all.input),
      dc * c * all.forget * (1.0 - all.forget),
      dc * all.input * (1.0 - all.candidate * all.candidate),
      dh * t * all.output * (1.0 - all.output),
    ),
    dc * all.forget,
  );
}

@compute @workgroup_size(WORKGROUP)
fn cell_forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  let size = params.batch * params.width;
  if (i >= size) {
    return;
  }
  let next = stepped(activated(read_gates(i)), cell[i]);
  state[i] = next.x;
  state[size + i] = next.y;
}

@group(0) @binding(3) var<storage, read> dstate: array<f32>;
@group(0) @binding(4) var<storage, read_write> dgates: array<f32>;
@group(0) @binding(5) var<storage, read_write> dcell: array<f32>;

fn write_gates(first: u32, i: u32, z: vec4<f32>) {
  for (var k = 0u; k < 4u; k++) {
    let at = first + gate_at(i) + k * params.width;
    var value = z[k];
    if (params.accumulate_gates != 0u) {
      value += dgates[at];
    }
    dgates[at] = value;
  }
}

@compute @workgroup_size(WORKGROUP)
fn cell_backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  let size = params.batch * params.width;
  if (i >= size) {
    return;
  }
  let gradients = stepped_back(activated(read_gates(i)), cell[i], dstate[i], dstate[size + i]);
  write_gates(0u, i, gradients.z);
  var dc = gradients.c;
  if (params.accumulate_cell != 0u) {
    dc += dcell[i];
  }
  dcell[i] = dc;
}

@group(0) @binding(2) var<storage, read_write> memory: array<f32>;
@group(0) @binding(3) var<storage, read_write> kept: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn sequence_forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  let size = params.batch * params.width;
  if (i >= size) {
    return;
  }
  let own = params.step * size + i;
  let cells = (params.steps + 1u) * size;
  let all = activated(read_gates(i));
  let next = stepped(all, memory[cells + own]);
  memory[own + size] = next.x;
  memory[cells + own + size] = next.y;
  let at = 4u * params.step * size + gate_at(i);
  kept[at] = all.input;
  kept[at + params.width] = all.forget;
  kept[at + 2u * params.width] = all.candidate;
  kept[at + 3u * params.width] = all.output;
}

@group(0) @binding(1) var<storage, read> saved_gates: array<f32>;
@group(0) @binding(2) var<storage, read> saved_memory: array<f32>;
@group(0) @binding(3) var<storage, read> dmemory: array<f32>;
@group(0) @binding(6) var<storage, read> dhidden: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn sequence_backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  let size = params.batch * params.width;
  if (i >= size) {
    return;
  }
  let own = params.step * size + i;
  let cells = (params.steps + 1u) * size;
  let first = 4u * params.step * size;
  let at = first + gate_at(i);
  let width = params.width;
  let all = Gates(saved_gates[at], saved_gates[at + width], saved_gates[at + 2u * width], saved_gates[at + 3u * width]);
  var dh = dmemory[own + size];
  var dc = dmemory[cells + own + size];
  if (!FIRST) {
    dh += dhidden[i];
    dc += dcell[i];
  }
  let gradients = stepped_back(all, saved_memory[cells + own], dh, dc);
  write_gates(first, i, gradients.z);
  dcell[i] = gradients.c;
}
