// One step of generating captions word by word, with W beams for each of P pictures, best first. Sampling is W = 1.
//
//   extend: the rank of every continuation. A beam that has ended goes on with END alone, at no cost. n counts words:
//     candidates[p, b·M + k] = (sum_b + log p_b(k)) / n^alpha, n = place + 1    if beam b has not ended
//                            = sum_b / n_b^alpha                              if it has, for k = END; LOWEST for other k
//   choose: continues the beams that picks[p, w] = b·M + k names. A beam that has ended stays as it is, whatever k.
//     A NaN score, or a pick out of range, leaves [MASK] = M in the caption, which is how the caller finds out.
//
// Shapes: log_probs [P·W, M]; candidates [P, W·M]; picks [P, W]; state and next_state [P·W, L + 2]: the L words ([MASK] where
// none is yet), the number of words with END once the beam has ended (else 0), the bits of sum_b. inputs and parents
// [branches · P·W]: the new word and the row that each row of the network's batch goes on from, for each branch of guidance.
// Grids: extend: groups1d(P·W·M, WORKGROUP). choose: groups1d(P·W, WORKGROUP).
// @more

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const LOWEST: f32 = -3.0e38;

struct Params {
  rows: u32,     // P·W
  beams: u32,    // W
  width: u32,    // M
  length: u32,   // L
  place: u32,    // of the new word
  end: u32,      // END
  branches: u32,
  alpha: f32,    // exponent of the length normalisation; 0: none
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> log_probs: array<f32>;
@group(0) @binding(2) var<storage, read> state: array<u32>;
@group(0) @binding(3) var<storage, read_write> candidates: array<f32>;
@group(0) @binding(4) var<storage, read> picks: array<u32>;
@group(0) @binding(5) var<storage, read_write> next_state: array<u32>;
@group(0) @binding(6) var<storage, read_write> inputs: array<u32>;
@group(0) @binding(7) var<storage, read_write> parents: array<u32>;

fn ended_of(row: u32) -> u32 {
  return state[row * (params.length + 2u) + params.length];
}

fn sum_of(row: u32) -> f32 {
  return bitcast<f32>(state[row * (params.length + 2u) + params.length + 1u]);
}

@compute @workgroup_size(WORKGROUP)
fn extend(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (i >= params.rows * params.width) { return; }
  let row = i / params.width;
  let word = i % params.width;
  let ended = ended_of(row);
  if (ended == 0u) {
    candidates[i] = max(LOWEST, (sum_of(row) + log_probs[i]) / pow(f32(params.place + 1u), params.alpha));
  } else {
    candidates[i] = select(LOWEST, sum_of(row) / pow(f32(ended), params.alpha), word == params.end);
  }
}

@compute @workgroup_size(WORKGROUP)
fn choose(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (row >= params.rows) { return; }
  let stride = params.length + 2u;
  let valid = picks[row] < params.beams * params.width;
  let pick = select(0u, picks[row], valid);
  let parent = row - row % params.beams + pick / params.width;
  for (var j = 0u; j < stride; j++) {
    next_state[row * stride + j] = state[parent * stride + j];
  }
  var word = pick % params.width;
  if (ended_of(parent) != 0u) {
    word = params.end;
  } else {
    let log_p = log_probs[parent * params.width + word];
    let is_nan = (bitcast<u32>(log_p) & 0x7fffffffu) > 0x7f800000u;
    if (!valid || is_nan) { word = params.width; }
    next_state[row * stride + params.length] = select(0u, params.place + 1u, word == params.end);
    next_state[row * stride + params.length + 1u] = bitcast<u32>(max(LOWEST, sum_of(parent) + log_p));
  }
  next_state[row * stride + params.place] = word;
  for (var branch = 0u; branch < params.branches; branch++) {
    inputs[branch * params.rows + row] = word;
    parents[branch * params.rows + row] = branch * params.rows + parent;
  }
}
