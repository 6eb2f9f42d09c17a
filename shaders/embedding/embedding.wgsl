// Rows of a table by index, with position embeddings added in the same pass, and the gradients of both tables.
//
//   y[n] = table[ids[n]] + positions[n mod length];        y[n] = 0 where ids[n] = zero_id
//   dtable[v] = sum over n with ids[n] = v of dy[n]        dpositions[l] = sum over n with n mod length = l of dy[n]
//
// Shapes: table, dtable [vocabulary, channels]; positions, dpositions [>= length, channels]; ids [count];
// y, dy [count, channels]. An index outside the table counts as the last row, here and in the gradient.
//
// The gradient needs all places of an index, in a fixed order and without float atomics. They are linked into lists:
//   link_places  one invocation walks one stretch of places backwards and links equal indices within it: O(count) in all
//   link_rows    one invocation a table row joins its lists of all stretches
//   backward     one invocation a table row and four channels walks the row's list; rows without places become 0
// Of few places, backward_few needs no lists: an invocation an element of the table looks at all of them.
// heads and tails [stretches, vocabulary] are never cleared: an entry counts only if it points into its own stretch at
// a place of its own row, and wherever such a place exists the entry has been written.
//
// Grids: forward: groups1d(count LANES, WORKGROUP); link_places: groups1d(stretches, WORKGROUP); link_rows:
// groups1d(vocabulary, WORKGROUP); backward and backward_positions: groups1d(rows ceil(channels / 4), WORKGROUP);
// backward_few: x = ceil(channels / WORKGROUP), y = vocabulary.

struct Params {
  count: u32,
  channels: u32,
  vocabulary: u32,
  length: u32, // places to the next row with the same position
  zero_id: u32, // 0xffffffff: none
  stretch: u32, // places in a stretch
  rows: u32, // of dpositions
  accumulate: u32,
}

const WORKGROUP: u32 = 64; // @tune 32 64 128
const LANES: u32 = 32; // @tune 1 8 16 32
const HAS_POSITIONS: bool = false; // @variant
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> positions: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

/// The table row of a place, or NONE for one that is all zeros.
fn row_of(place: u32) -> u32 {
  let id = ids[place];
  return select(min(id, params.vocabulary - 1u), NONE, id == params.zero_id);
}

@compute @workgroup_size(WORKGROUP)
fn forward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let place = index / LANES;
  if (place >= params.count) {
    return;
  }
  let row = row_of(place);
  let source = select(row, 0u, row == NONE) * params.channels;
  let keep = select(1.0, 0.0, row == NONE);
  let position = place % params.length * params.channels;
  for (var c = index % LANES; c < params.channels; c += LANES) {
    var value = table[source + c];
    if (HAS_POSITIONS) {
      value += positions[position + c];
    }
    output[place * params.channels + c] = value * keep;
  }
}

@group(0) @binding(2) var<storage, read_write> heads: array<u32>;
@group(0) @binding(3) var<storage, read_write> tails: array<u32>;
@group(0) @binding(4) var<storage, read_write> next: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn link_places(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let first = index * params.stretch;
  if (first >= params.count) {
    return;
  }
  let end = min(first + params.stretch, params.count);
  for (var place = end; place > first; place--) {
    let here = place - 1u;
    let row = row_of(here);
    if (row != NONE) {
      let at = index * params.vocabulary + row;
      let head = heads[at];
      // Everything behind `here` has been linked, so a head from there with this row is no leftover.
      var follower = NONE;
      if (head > here && head < end && row_of(min(head, end - 1u)) == row) {
        follower = head;
      } else {
        tails[at] = here;
      }
      next[here] = follower;
      heads[at] = here;
    }
  }
}

@group(0) @binding(2) var<storage, read> stretch_heads: array<u32>;
@group(0) @binding(3) var<storage, read> stretch_tails: array<u32>;
@group(0) @binding(5) var<storage, read_write> row_heads: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn link_rows(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let row = (group.y * groups.x + group.x) * WORKGROUP + local;
  if (row >= params.vocabulary) {
    return;
  }
  let stretches = (params.count - 1u) / params.stretch + 1u;
  var follower = NONE;
  for (var i = stretches; i > 0u; i--) {
    let first = (i - 1u) * params.stretch;
    let end = min(first + params.stretch, params.count);
    let at = (i - 1u) * params.vocabulary + row;
    let head = stretch_heads[at];
    if (head >= first && head < end && row_of(min(head, end - 1u)) == row) {
      next[stretch_tails[at]] = follower;
      follower = head;
    }
  }
  row_heads[row] = follower;
}

@group(0) @binding(1) var<storage, read> linked: array<u32>;
@group(0) @binding(2) var<storage, read> list_heads: array<u32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  // Four channels, far apart: neighbouring invocations read neighbouring elements.
  let quarter = (params.channels - 1u) / 4u + 1u;
  let row = index / quarter;
  if (row >= params.vocabulary) {
    return;
  }
  let channel = index % quarter + vec4<u32>(0u, quarter, 2u * quarter, 3u * quarter);
  let inside = min(channel, vec4<u32>(params.channels - 1u));
  var sum = vec4<f32>(0.0);
  for (var place = list_heads[row]; place != NONE; place = linked[place]) {
    let at = place * params.channels + inside;
    sum += vec4<f32>(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
  }
  store(row * params.channels, channel, sum);
}

/// Writes, or adds, four channels of a row of `gradient`.
fn store(base: u32, channel: vec4<u32>, sum: vec4<f32>) {
  for (var i = 0u; i < 4u; i++) {
    if (channel[i] < params.channels) {
      let at = base + channel[i];
      if (params.accumulate != 0u) {
        gradient[at] += sum[i];
      } else {
        gradient[at] = sum[i];
      }
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn backward_few(@builtin(global_invocation_id) id: vec3<u32>) {
  let channel = id.x;
  let row = id.y;
  if (channel >= params.channels) {
    return;
  }
  var sum = 0.0;
  for (var place = 0u; place < params.count; place++) {
    if (row_of(place) == row) {
      sum += dy[place * params.channels + channel];
    }
  }
  let at = row * params.channels + channel;
  if (params.accumulate != 0u) {
    sum += gradient[at];
  }
  gradient[at] = sum;
}

@compute @workgroup_size(WORKGROUP)
fn backward_positions(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let index = (group.y * groups.x + group.x) * WORKGROUP + local;
  let quarter = (params.channels - 1u) / 4u + 1u;
  let row = index / quarter;
  if (row >= params.rows) {
    return;
  }
  let channel = index % quarter + vec4<u32>(0u, quarter, 2u * quarter, 3u * quarter);
  let inside = min(channel, vec4<u32>(params.channels - 1u));
  var sum = vec4<f32>(0.0);
  if (row < params.length) {
    for (var place = row; place < params.count; place += params.length) {
      if (ids[place] != params.zero_id) {
        let at = place * params.channels + inside;
        sum += vec4<f32>(dy[at.x], dy[at.y], dy[at.z], dy[at.w]);
      }
    }
  }
  store(row * params.channels, channel, sum);
}
