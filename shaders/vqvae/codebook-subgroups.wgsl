enable subgroups;
// Nearest code of a codebook, for devices with subgroups; codebook.wgsl has the formulas and a portable search.
//
// LANES neighbouring invocations form a team that searches for ROWS vectors. Every lane fetches another vector and the
// team passes the values round by shuffles; a lane scores 4 codes at a time against all ROWS vectors:
// ROWS/LANES + 4 vector loads for 16·ROWS FMAs. A team must lie in one subgroup, lane after lane.
//
// Grid: x = ceil(N / (ROWS·WORKGROUP/LANES)), y = ranges of codes.

const LANES: u32 = 8; // @tune 4 8
const WORKGROUP: u32 = 64; // @tune 8 32 64 128 256
const ROWS: u32 = 8;
const LOADS: u32 = ROWS / LANES;

struct Params {
  rows: u32,
  code_count: u32,
  /** vec4s of a row. */
  columns: u32,
  ranges: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> vectors: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> codes: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> half_norm: array<f32>;
@group(0) @binding(4) var<storage, read_write> range_score: array<f32>;
@group(0) @binding(5) var<storage, read_write> range_id: array<u32>;
@group(0) @binding(6) var<storage, read> centre: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn nearest(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  let lane = local % LANES;
  let first_lane = subgroup_lane - lane;
  let row0 = (group.x * (WORKGROUP / LANES) + local / LANES) * ROWS;
  let share = (params.code_count + params.ranges - 1) / params.ranges;
  let first = group.y * share;
  let last = min(first + share, params.code_count);

  var row_at: array<u32, LOADS>;
  for (var l = 0u; l < LOADS; l++) {
    row_at[l] = min(row0 + l * LANES + lane, params.rows - 1) * params.columns;
  }
  var best: array<f32, ROWS>;
  var best_id: array<u32, ROWS>;
  for (var r = 0u; r < ROWS; r++) {
    best[r] = -3.4e38;
    best_id[r] = first;
  }

  for (var k0 = first; k0 < last; k0 += 4u * LANES) {
    // A lane's codes are neighbours, so that among equals its lowest comes first.
    let k = k0 + 4u * lane;
    let code_0 = min(k, last - 1) * params.columns;
    let code_1 = min(k + 1u, last - 1) * params.columns;
    let code_2 = min(k + 2u, last - 1) * params.columns;
    let code_3 = min(k + 3u, last - 1) * params.columns;
    // Set by hand: llvmpipe (Mesa 25.0.7) was seen to keep the values of the previous iteration.
    var score: array<vec4<f32>, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      score[r] = vec4<f32>();
    }
    for (var d = 0u; d < params.columns; d++) {
      let e0 = codes[code_0 + d];
      let e1 = codes[code_1 + d];
      let e2 = codes[code_2 + d];
      let e3 = codes[code_3 + d];
      for (var l = 0u; l < LOADS; l++) {
        let own = vectors[row_at[l] + d] - centre[d];
        for (var r = 0u; r < LANES; r++) {
          let z = subgroupShuffle(own, first_lane + r);
          score[l * LANES + r] += vec4(dot(z, e0), dot(z, e1), dot(z, e2), dot(z, e3));
        }
      }
    }
    for (var c = 0u; c < 4u; c++) {
      let norm = half_norm[min(k + c, last - 1)];
      for (var r = 0u; r < ROWS; r++) {
        let s = score[r][c] - norm;
        // Codes past the end are copies of the last one: they may only stand in for themselves.
        if (k + c < last && s > best[r]) {
          best[r] = s;
          best_id[r] = k + c;
        }
      }
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
      let other = first_lane + (lane ^ step);
      let s = subgroupShuffle(best[r], other);
      let id = subgroupShuffle(best_id[r], other);
      if (s > best[r] || (s == best[r] && id < best_id[r])) {
        best[r] = s;
        best_id[r] = id;
      }
    }
  }
  if (lane == 0u) {
    for (var r = 0u; r < ROWS; r++) {
      if (row0 + r < params.rows) {
        range_score[group.y * params.rows + row0 + r] = best[r];
        range_id[group.y * params.rows + row0 + r] = best_id[r];
      }
    }
  }
}
