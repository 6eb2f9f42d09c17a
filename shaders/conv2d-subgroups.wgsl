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
//                    the row behind the last weight is the bias (its left operand is 1)
//   reduce_weight    groups1d((KH·KW·I + 1)·O/4, REDUCE_WORKGROUP): adds up the splits in their order

const LANES: u32 = 8; // @tune 1 2 4 8
const WORKGROUP: u32 = 64; // @tune 8 32 64 128 256
const REDUCE_WORKGROUP: u32 = 64; // @tune 64 128 256
const HAS_BIAS: bool = false; // @variant
const ROWS: u32 = 8; // @tune 8 16
const LOADS: u32 = (ROWS + LANES - 1) / LANES;
/** backward_weight, with at least 2 lanes: rows of a team, pixels it fetches at once, fetches for 4 pixels. */
const WEIGHT_ROWS: u32 = 8;
const PIXEL_LANES: u32 = max(LANES, 2u) / 2u;
const WEIGHT_LOADS: u32 = 4u / PIXEL_LANES;
const TEAMS: u32 = WORKGROUP / LANES;

struct Params {
  batch: u32,
  height: u32,
  width: u32,
  /** Channels in and out, in vec4s. */
  in4: u32,
  out4: u32,
  out_height: u32,
  out_width: u32,
  kernel_height: u32,
  kernel_width: u32,
  stride: u32,
  top: u32,
  left: u32,
  accumulate: u32,
  accumulate_bias: u32,
  splits: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> doutput: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> dinput: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read> slices: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> dweight: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read_write> dbias: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  let lane = local % LANES;
  let first_lane = subgroup_lane - lane;
  let column = group.y * LANES + lane;
  let weight_column = min(column, params.out4 - 1);
  let rows = params.batch * params.out_height * params.out_width;
  let row0 = ((group.z * groups.x + group.x) * TEAMS + local / LANES) * ROWS;

  // The pixels whose input this lane fetches for its team.
  var image: array<u32, LOADS>;
  var corner_y: array<i32, LOADS>;
  var corner_x: array<i32, LOADS>;
  for (var l = 0u; l < LOADS; l++) {
    let row = row0 + l * LANES + lane;
    let line = row / params.out_width;
    let b = line / params.out_height;
    image[l] = b * params.height * params.width;
    // Rows past the end get a corner far outside, where every tap reads zero.
    corner_y[l] = select(
      -0x1000000,
      i32((line - b * params.out_height) * params.stride) - i32(params.top),
      row < rows,
    );
    corner_x[l] = i32((row - line * params.out_width) * params.stride) - i32(params.left);
  }

  var sum: array<vec4<f32>, ROWS>;
  var w_at = weight_column;
  for (var ky = 0u; ky < params.kernel_height; ky++) {
    for (var kx = 0u; kx < params.kernel_width; kx++) {
      var inside: array<bool, LOADS>;
      var x_at: array<u32, LOADS>;
      for (var l = 0u; l < LOADS; l++) {
        let iy = corner_y[l] + i32(ky);
        let ix = corner_x[l] + i32(kx);
        inside[l] = iy >= 0 && iy < i32(params.height) && ix >= 0 && ix < i32(params.width);
        x_at[l] = select(0u, (image[l] + u32(iy) * params.width + u32(ix)) * params.in4, inside[l]);
      }
      for (var i = 0u; i < params.in4; i++) {
        let w0 = weight[w_at];
        let w1 = weight[w_at + params.out4];
        let w2 = weight[w_at + 2u * params.out4];
        let w3 = weight[w_at + 3u * params.out4];
        w_at += 4u * params.out4;
        for (var l = 0u; l < LOADS; l++) {
          let own = select(vec4<f32>(), input[x_at[l] + i], inside[l]);
          for (var r = 0u; r < LANES; r++) {
            let a = subgroupShuffle(own, first_lane + r);
            let at = l * LANES + r;
            sum[at] = fma(vec4(a.w), w3, fma(vec4(a.z), w2, fma(vec4(a.y), w1, fma(vec4(a.x), w0, sum[at]))));
          }
        }
      }
    }
  }

  if (column >= params.out4) {
    return;
  }
  var offset = vec4<f32>();
  if (HAS_BIAS) {
    offset = bias[column];
  }
  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < rows) {
      output[(row0 + r) * params.out4 + column] = sum[r] + offset;
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  let lane = local % LANES;
  let first_lane = subgroup_lane - lane;
  let phases = params.stride * params.stride;
  let phase = group.y % phases;
  let phase_y = phase / params.stride;
  let phase_x = phase % params.stride;
  let column = (group.y / phases) * LANES + lane;
  let weight_column = min(column, params.in4 - 1);
  let phase_height = (params.height + params.stride - 1) / params.stride;
  let phase_width = (params.width + params.stride - 1) / params.stride;
  let rows = params.batch * phase_height * phase_width;
  let row0 = ((group.z * groups.x + group.x) * TEAMS + local / LANES) * ROWS;

  // (py, px): the fetched pixel's position within the phase, iy = py·s + phase_y.
  var image: array<u32, LOADS>;
  var pixel_y: array<i32, LOADS>;
  var pixel_x: array<i32, LOADS>;
  for (var l = 0u; l < LOADS; l++) {
    let row = row0 + l * LANES + lane;
    let line = row / phase_width;
    let b = line / phase_height;
    image[l] = b * params.out_height * params.out_width;
    pixel_y[l] = select(-0x1000000, i32(line - b * phase_height), row < rows);
    pixel_x[l] = i32(row - line * phase_width);
  }

  var sum: array<vec4<f32>, ROWS>;
  for (var ky = (phase_y + params.top) % params.stride; ky < params.kernel_height; ky += params.stride) {
    for (var kx = (phase_x + params.left) % params.stride; kx < params.kernel_width; kx += params.stride) {
      // Exact: numerator and stride agree modulo the stride.
      let shift_y = (i32(phase_y + params.top) - i32(ky)) / i32(params.stride);
      let shift_x = (i32(phase_x + params.left) - i32(kx)) / i32(params.stride);
      var inside: array<bool, LOADS>;
      var dy_at: array<u32, LOADS>;
      for (var l = 0u; l < LOADS; l++) {
        let oy = pixel_y[l] + shift_y;
        let ox = pixel_x[l] + shift_x;
        inside[l] = oy >= 0 && oy < i32(params.out_height) && ox >= 0 && ox < i32(params.out_width);
        dy_at[l] = select(0u, (image[l] + u32(oy) * params.out_width + u32(ox)) * params.out4, inside[l]);
      }
      let w_at = ((ky * params.kernel_width + kx) * params.in4 + weight_column) * 4u * params.out4;
      for (var o = 0u; o < params.out4; o++) {
        let w0 = weight[w_at + o];
        let w1 = weight[w_at + params.out4 + o];
        let w2 = weight[w_at + 2u * params.out4 + o];
        let w3 = weight[w_at + 3u * params.out4 + o];
        for (var l = 0u; l < LOADS; l++) {
          let own = select(vec4<f32>(), doutput[dy_at[l] + o], inside[l]);
          for (var r = 0u; r < LANES; r++) {
            let a = subgroupShuffle(own, first_lane + r);
            sum[l * LANES + r] += vec4(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3));
          }
        }
      }
    }
  }

  if (column >= params.in4) {
    return;
  }
  for (var r = 0u; r < ROWS; r++) {
    let row = row0 + r;
    let line = row / phase_width;
    let b = line / phase_height;
    let iy = (line - b * phase_height) * params.stride + phase_y;
    let ix = (row - line * phase_width) * params.stride + phase_x;
    if (row < rows && iy < params.height && ix < params.width) {
      let at = ((b * params.height + iy) * params.width + ix) * params.in4 + column;
      if (params.accumulate != 0u) {
        dinput[at] += sum[r];
      } else {
        dinput[at] = sum[r];
      }
    }
  }
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
  let dy_column = min(column, params.out4 - 1);
  let row0 = (group.x * TEAMS + local / LANES) * WEIGHT_ROWS;
  let weight_rows = params.kernel_height * params.kernel_width * params.in4 * 4u;

  // A step takes 4 pixels of a line. Even lanes fetch rows 0–3 of the team's tile, odd lanes rows 4–7, lanes 2p and
  // 2p + 1 those of pixel p.
  let own_row = row0 + 4u * (lane % 2u);
  let own_i = (own_row / 4u) % params.in4;
  let tap = own_row / (4u * params.in4);
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
        d[p] = doutput[(line * params.out_width + ox) * params.out4 + dy_column];
      }
      var own: array<vec4<f32>, WEIGHT_LOADS>;
      for (var l = 0u; l < WEIGHT_LOADS; l++) {
        let ox = ox0 + l * PIXEL_LANES + lane / 2u;
        let ix = i32(ox * params.stride + kx) - i32(params.left);
        let inside = line_inside && ox < params.out_width && ix >= 0 && ix < i32(params.width);
        let x_at = select(0u, (x_line + u32(ix)) * params.in4 + own_i, inside);
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

  if (column >= params.out4) {
    return;
  }
  for (var r = 0u; r < WEIGHT_ROWS; r++) {
    if (row0 + r <= weight_rows) {
      partial[(group.z * (weight_rows + 1u) + row0 + r) * params.out4 + column] = sum[r];
    }
  }
}

@compute @workgroup_size(REDUCE_WORKGROUP)
fn reduce_weight(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
) {
  let i = (group.y * groups.x + group.x) * REDUCE_WORKGROUP + local.x;
  let weights = params.kernel_height * params.kernel_width * params.in4 * 4u * params.out4;
  let count = weights + params.out4;
  if (i >= count) {
    return;
  }
  var sum = vec4<f32>();
  for (var s = 0u; s < params.splits; s++) {
    sum += slices[s * count + i];
  }
  if (i < weights) {
    if (params.accumulate != 0u) {
      sum += dweight[i];
    }
    dweight[i] = sum;
  } else {
    if (params.accumulate_bias != 0u) {
      sum += dbias[i - weights];
    }
    dbias[i - weights] = sum;
  }
}
