// Best-first unmasking: of each caption's masked positions those with the largest keys take their word, so many that
// `keep` of them stay masked; the others, and positions that have a word already, stay as they are.
//
//   x_u,i = words_i   where x_t,i = [MASK] and #{ j masked : key_j > key_i, or key_j = key_i and j < i } < masked - keep
//
// Shapes: keys, words, xt [captions * length]; drawn [copies * captions * length].
// Grid: one invocation a position, groups1d(captions * length, WORKGROUP).

const WORKGROUP: u32 = 64; // @tune 32 64 128 256

struct Params {
  count: u32,    // captions * length
  length: u32,   // L
  keep: u32,     // positions of a caption that stay masked
  mask: u32,     // M, the id of [MASK]
  copies: u32,   // times drawn is written, one after the other (2 for a guided batch)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<f32>;
@group(0) @binding(2) var<storage, read> words: array<u32>;
@group(0) @binding(3) var<storage, read> xt: array<u32>;
@group(0) @binding(4) var<storage, read_write> drawn: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn unmask(
  @builtin(workgroup_id) workgroup_id: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
  @builtin(local_invocation_id) local_id: vec3<u32>,
) {
  let i = (workgroup_id.y * num_workgroups.x + workgroup_id.x) * WORKGROUP + local_id.x;
  if (i >= params.count) { return; }
  var token = xt[i];
  if (token == params.mask) {
    let first = i - i % params.length;
    let key = keys[i];
    var masked = 0u;
    var before = 0u;
    for (var j = first; j < first + params.length; j++) {
      if (xt[j] == params.mask) {
        masked += 1u;
        let other = keys[j];
        if (other > key || (other == key && j < i)) { before += 1u; }
      }
    }
    if (before + params.keep < masked) { token = words[i]; }
  }
  for (var copy = 0u; copy < params.copies; copy++) { drawn[copy * params.count + i] = token; }
}
