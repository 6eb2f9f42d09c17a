enable subgroups;
// Convolution as implicit matrix products, channels last, for devices with subgroups; channel counts divisible by 4.
// conv2d.wgsl computes the same without either condition.
//
//   y[b, oy, ox, o]  = bias[o] + Σ_{ky, kx, i} x[b, oy·s + ky − top, ox·s + kx − left, i] · w[ky, kx, i, o]
//   dx[b, iy, ix, i] = Σ_{ky, kx, o} dy[b, (iy + top − ky)/s, (ix + left − kx)/s, o] · w[ky, kx, i, o], where s divides
//   dw[ky, kx, i, o] = Σ_{b, oy, ox} x[b, oy·s + ky − top, ox·s + kx − left, i] · dy[b, oy, ox, o];  db[o] = Σ dy
//
// input x [B, H, W, I], weight w [KH, KW, I, O], output y [B, OH, OW, O]; pixels outside the image count as zero.
//
// LANES neighbouring invocations form a team; a team computes ROWS rows (pixels; in backward_weight rows of the weight
// matrix) × 4·LANES columns (channels), each lane ROWS × one vec4. Of the left operand every lane loads another row,
// and the team passes the values round by shuffles: a product of 4 terms costs 1 + 4 vector loads for 4·ROWS FMAs.
// Neighbouring lanes read neighbouring channels, so all loads of the right operand are coalesced.
// A team must lie in one subgroup, lane after lane: LANES ≤ the least subgroup size.
//
// Grids, with TEAMS = WORKGROUP / LANES and row blocks = ceil(rows / (ROWS·TEAMS)), folded over x and z:
//   forward          row blocks of B·OH·OW, y = ceil(O / (4·LANES))
//   backward_input   row blocks of B·ceil(H/s)·ceil(W/s), y = ceil(I / (4·LANES)) · s·s: one phase (iy mod s, ix mod s)
//                    has the same taps everywhere, so no tap is visited in vain
//   backward_weight  x = ceil((KH·KW·I + 1) / (ROWS·TEAMS)), y = ceil(O / (4·LANES)), z = splits over the B·OH lines;
//                    the row behind the last weight is the bias (its left operand is 1); combine.wgsl adds up
//                    the splits in their order

const LANES: u32 = 8; // @tune 1 2 4 8
const WORKGROUP: u32 = 64; // @tune 8 32 64 128 256
const HAS_BIAS: bool = false; // @variant
const ROWS: u32 = 8; // @tune 8 16
const LOADS: u32 = (ROWS + LANES - 1) / LANES;
/** backward_weight, with at least 2 lanes: rows of a team, pixels it fetches at once, fetches for 4 pixels. */
const WEIGHT_ROWS: u32 = 8;
const PIXEL_LANES: u32 = max(LANES, 2u) / 2u;
const WEIGHT_LOADS: u32 = 4u / PIXEL_LANES;
const TEAMS: u32 = WORKGROUP / LANES;

// @shared conv2d-params
struct Params {
  batch: u32,
  height: u32,
  width: u32,
  /** Channels in and out; in the other files than conv2d.wgsl in vec4s. */
  inputs: u32,
  outputs: u32,
  out_height: u32,
  out_width: u32,
  kernel_height: u32,
  kernel_width: u32,
  stride: u32,
  top: u32,
  left: u32,
  accumulate: u32,
  splits: u32,
}

/** A convolution, or backward the gradient of its input: both gather, for each pixel of the target, from pixels of the source. */
struct Gather {
  /** Height, width, channels. */
  source: vec3<u32>,
  goal: vec3<u32>,
  /** Every so many pixels of the target and taps go together: a phase. */
  step: u32,
  /** Pixels of the source from one of the phase to the next. */
  spread: i32,
  /** Of a phase. */
  high: u32,
  wide: u32,
}

fn gather_of(backward: bool) -> Gather {
  let x = vec3<u32>(params.height, params.width, params.inputs);
  let y = vec3<u32>(params.out_height, params.out_width, params.outputs);
  let step = params.stride;
  if (backward) { return Gather(y, x, step, 1, (x.x + step - 1u) / step, (x.y + step - 1u) / step); }
  return Gather(x, y, 1u, i32(step), y.x, y.y);
}

/** Pixels from a pixel of a phase to what a tap reads there. */
fn shift_of(tap: u32, border: u32, phase: u32, backward: bool) -> i32 {
  let distance = i32(tap) - i32(border);
  // Exact: numerator and stride agree modulo the stride.
  if (backward) { return (i32(phase) - distance) / i32(params.stride); }
  return distance;
}

/** Where a pixel of a phase lies in the target, in pixels; the largest number beyond its edge. */
fn place_of(g: Gather, row: u32, phase_y: u32, phase_x: u32, backward: bool) -> u32 {
  if (!backward) { return row; }
  let line = row / g.wide;
  let b = line / g.high;
  let y = (line - b * g.high) * g.step + phase_y;
  let x = (row - line * g.wide) * g.step + phase_x;
  return select(0xffffffffu, (b * g.goal.x + y) * g.goal.y + x, y < g.goal.x && x < g.goal.y);
}
// @end shared

@group(0) @binding(0) var<uniform> params: Params;
/** In backward_input the gradient of the output. */
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
/** In backward_input the gradient of the input. */
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> doutput: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> partial: array<vec4<f32>>;

fn gather(group: vec3<u32>, groups: vec3<u32>, local: u32, subgroup_lane: u32, backward: bool) {
  let g = gather_of(backward);
  let lane = local % LANES;
  let first_lane = subgroup_lane - lane;
  let phases = g.step * g.step;
  let phase = group.y % phases;
  let phase_y = phase / g.step;
  let phase_x = phase % g.step;
  let column = (group.y / phases) * LANES + lane;
  let weight_column = min(column, g.goal.z - 1);
  let rows = params.batch * g.high * g.wide;
  let row0 = ((group.z * groups.x + group.x) * TEAMS + local / LANES) * ROWS;

  // The pixels whose input this lane fetches for its team.
  var image: array<u32, LOADS>;
  var corner_y: array<i32, LOADS>;
  var corner_x: array<i32, LOADS>;
  for (var l = 0u; l < LOADS; l++) {
    let row = row0 + l * LANES + lane;
    let line = row / g.wide;
    let b = line / g.high;
    image[l] = b * g.source.x * g.source.y;
    // Rows past the end get a corner far outside, where every tap reads zero.
    corner_y[l] = select(-0x1000000, i32(line - b * g.high) * g.spread, row < rows);
    corner_x[l] = i32(row - line * g.wide) * g.spread;
  }

  var sum: array<vec4<f32>, ROWS>;
  for (var ky = (phase_y + params.top) % g.step; ky < params.kernel_height; ky += g.step) {
    for (var kx = (phase_x + params.left) % g.step; kx < params.kernel_width; kx += g.step) {
      let shift_y = shift_of(ky, params.top, phase_y, backward);
      let shift_x = shift_of(kx, params.left, phase_x, backward);
      var inside: array<bool, LOADS>;
      var at: array<u32, LOADS>;
      for (var l = 0u; l < LOADS; l++) {
        let y = corner_y[l] + shift_y;
        let x = corner_x[l] + shift_x;
        inside[l] = y >= 0 && y < i32(g.source.x) && x >= 0 && x < i32(g.source.y);
        at[l] = select(0u, (image[l] + u32(y) * g.source.y + u32(x)) * g.source.z, inside[l]);
      }
      // From one term of the sum to the next: four rows of the weight, or a vector along one.
      let tap = (ky * params.kernel_width + kx) * params.inputs;
      var w_at = 4u * tap * params.outputs + weight_column;
      if (backward) { w_at = 4u * (tap + weight_column) * params.outputs; }
      for (var i = 0u; i < g.source.z; i++) {
        let w0 = weight[w_at];
        let w1 = weight[w_at + params.outputs];
        let w2 = weight[w_at + 2u * params.outputs];
        let w3 = weight[w_at + 3u * params.outputs];
        w_at += select(4u * params.outputs, 1u, backward);
        for (var l = 0u; l < LOADS; l++) {
          let own = select(vec4<f32>(), input[at[l] + i], inside[l]);
          for (var r = 0u; r < LANES; r++) {
            let a = subgroupShuffle(own, first_lane + r);
            let of_row = l * LANES + r;
            if (backward) {
              sum[of_row] += vec4(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3));
            } else {
              sum[of_row] = fma(vec4(a.w), w3, fma(vec4(a.z), w2, fma(vec4(a.y), w1, fma(vec4(a.x), w0, sum[of_row]))));
            }
          }
        }
      }
    }
  }

  if (column >= g.goal.z) {
    return;
  }
  var offset = vec4<f32>();
  if (HAS_BIAS) {
    offset = bias[column];
  }
  for (var r = 0u; r < ROWS; r++) {
    let row = row0 + r;
    let place = place_of(g, row, phase_y, phase_x, backward);
    if (row < rows && place != 0xffffffffu) {
      let at = place * g.goal.z + column;
      if (params.accumulate != 0u) {
        output[at] += sum[r];
      } else {
        output[at] = sum[r] + offset;
      }
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  gather(group, groups, local, subgroup_lane, false);
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  gather(group, groups, local, subgroup_lane, true);
}

@compute @workgroup_size(WORKGROUP)
fn backward_weight(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  let lane = local % LANES;
  let first_lane = subgroup_lane - lane;
  let column = group.y * LANES + lane;
  let dy_column = min(column, params.outputs - 1);
  let row0 = (group.x * TEAMS + local / LANES) * WEIGHT_ROWS;
  let weight_rows = params.kernel_height * params.kernel_width * params.inputs * 4u;

  // A step takes 4 pixels of a line. Even lanes fetch rows 0–3 of the team's tile, odd lanes rows 4–7, lanes 2p and
  // 2p + 1 those of pixel p.
  let own_row = row0 + 4u * (lane % 2u);
  let own_i = (own_row / 4u) % params.inputs;
  let tap = own_row / (4u * params.inputs);
  let ky = tap / params.kernel_width;
  let kx = tap - ky * params.kernel_width;
  let is_weight = own_row < weight_rows;
  let one = select(vec4<f32>(), vec4<f32>(1.0, 0.0, 0.0, 0.0), own_row == weight_rows);

  let lines = params.batch * params.out_height;
  let share = (lines + params.splits - 1) / params.splits;
  let first = group.z * share;
  let last = min(first + share, lines);
  var b = first / params.out_height;
  var oy = first - b * params.out_height;

  var sum: array<vec4<f32>, WEIGHT_ROWS>;
  for (var line = first; line < last; line++) {
    let iy = i32(oy * params.stride + ky) - i32(params.top);
    let line_inside = is_weight && iy >= 0 && iy < i32(params.height);
    let x_line = (b * params.height + u32(iy)) * params.width;
    for (var ox0 = 0u; ox0 < params.out_width; ox0 += 4u) {
      var d: array<vec4<f32>, 4>;
      for (var p = 0u; p < 4u; p++) {
        let ox = min(ox0 + p, params.out_width - 1);
        d[p] = doutput[(line * params.out_width + ox) * params.outputs + dy_column];
      }
      var own: array<vec4<f32>, WEIGHT_LOADS>;
      for (var l = 0u; l < WEIGHT_LOADS; l++) {
        let ox = ox0 + l * PIXEL_LANES + lane / 2u;
        let ix = i32(ox * params.stride + kx) - i32(params.left);
        let inside = line_inside && ox < params.out_width && ix >= 0 && ix < i32(params.width);
        let x_at = select(0u, (x_line + u32(ix)) * params.inputs + own_i, inside);
        // The bias row multiplies by one wherever there is a pixel.
        own[l] = select(select(vec4<f32>(), one, ox < params.out_width), input[x_at], inside);
      }
      // Row by row, so that a sum stays in registers for all 4 pixels.
      for (var q = 0u; q < 2u; q++) {
        let a0 = subgroupShuffle(own[0], first_lane + q);
        let a1 = subgroupShuffle(own[1u / PIXEL_LANES], first_lane + 2u * (1u % PIXEL_LANES) + q);
        let a2 = subgroupShuffle(own[2u / PIXEL_LANES], first_lane + 2u * (2u % PIXEL_LANES) + q);
        let a3 = subgroupShuffle(own[3u / PIXEL_LANES], first_lane + 2u * (3u % PIXEL_LANES) + q);
        let row = 4u * q;
        sum[row] += a0.x * d[0] + a1.x * d[1] + a2.x * d[2] + a3.x * d[3];
        sum[row + 1u] += a0.y * d[0] + a1.y * d[1] + a2.y * d[2] + a3.y * d[3];
        sum[row + 2u] += a0.z * d[0] + a1.z * d[1] + a2.z * d[2] + a3.z * d[3];
        sum[row + 3u] += a0.w * d[0] + a1.w * d[1] + a2.w * d[2] + a3.w * d[3];
      }
    }
    oy++;
    if (oy == params.out_height) {
      oy = 0u;
      b++;
    }
  }

  if (column >= params.outputs) {
    return;
  }
  for (var r = 0u; r < WEIGHT_ROWS; r++) {
    if (row0 + r <= weight_rows) {
      partial[(group.z * (weight_rows + 1u) + row0 + r) * params.outputs + column] = sum[r];
    }
  }
}
