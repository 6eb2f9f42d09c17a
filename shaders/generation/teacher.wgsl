// What an autoregressive decoder reads and is asked for in training, from captions of L words.
//
//   teach: inputs = [M, w_0 … w_{L-2}], M the start symbol; targets = w_i up to the first END, after it M, which no loss counts
//   mix:   inputs as above, but w_{i-1} replaced by the model's own word drawn_{i-1} where uniform_i < share (scheduled sampling);
//          share = rate · min(1, step / ramp), the step that of the random numbers
//
// Shapes: tokens, inputs, targets, drawn, uniform_draws [B, L]; rng [4].
// Grids: teach: groups1d(B, WORKGROUP). mix: groups1d(B·L, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 32 64 128 256

struct Params {
  count: u32,  // B of teach, B·L of mix
  length: u32, // L
  start: u32,  // M
  end: u32,    // END
  rate: f32,   // the largest share
  ramp: u32,   // steps to get there; 0: none
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read_write> inputs: array<u32>;
@group(0) @binding(3) var<storage, read_write> targets: array<u32>;
@group(0) @binding(4) var<storage, read> drawn: array<u32>;
@group(0) @binding(5) var<storage, read> uniform_draws: array<f32>;
@group(0) @binding(6) var<storage, read> rng: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn teach(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let caption = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (caption >= params.count) { return; }
  var before = params.start;
  var ended = false;
  for (var i = caption * params.length; i < (caption + 1u) * params.length; i++) {
    inputs[i] = before;
    before = tokens[i];
    targets[i] = select(before, params.start, ended);
    ended = ended || before == params.end;
  }
}

@compute @workgroup_size(WORKGROUP)
fn mix(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.count) { return; }
  let share = params.rate * f32(min(rng[2], params.ramp)) / f32(max(params.ramp, 1u));
  if (i % params.length == 0u) {
    inputs[i] = params.start;
  } else {
    let own = uniform_draws[i] < select(share, params.rate, params.ramp == 0u);
    inputs[i] = select(tokens[i - 1u], drawn[i - 1u], own);
  }
}
