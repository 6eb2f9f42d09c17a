// What the network thinks of each position, for people to look at: for a row of scores (logits or log-probabilities of x_0)
// the probability of the token that stands there and the most probable tokens with theirs.
//
//   p(k) = exp(score_k) / sum_j exp(score_j);  the `count` largest, falling; of equal scores the lower index first
//
// scores [rows, width]; tokens [rows] (ids of width or more, [MASK], have probability 0); report [rows, 2 + 2 count], all
// words of 32 bits: token, bits of p(token), then index and bits of p(index) for each of the largest.
// Grid: one workgroup a row.

const WORKGROUP: u32 = 64; // @tune 32 64 128 256
const LOWEST: f32 = -3.4e38;

struct Params {
  rows: u32,
  width: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> report: array<u32>;

var<workgroup> part_high: array<f32, WORKGROUP>;
var<workgroup> part_sum: array<f32, WORKGROUP>;
var<workgroup> part_index: array<u32, WORKGROUP>;
var<workgroup> row_lse: f32;
var<workgroup> last_score: f32;   // the largest found in the round before,
var<workgroup> last_index: u32;   // and its index

@compute @workgroup_size(WORKGROUP)
fn look(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) { return; }
  let base = row * params.width;
  var high = LOWEST;
  var sum = 0.0;
  for (var k = lane; k < params.width; k += WORKGROUP) {
    let score = scores[base + k];
    let next = max(high, score);
    sum = sum * exp(high - next) + exp(score - next);
    high = next;
  }
  part_high[lane] = high;
  part_sum[lane] = sum;
  workgroupBarrier();
  let words = row * (2u + 2u * params.count);
  if (lane == 0u) {
    for (var other = 1u; other < WORKGROUP; other++) { high = max(high, part_high[other]); }
    var total = 0.0;
    for (var other = 0u; other < WORKGROUP; other++) { total += part_sum[other] * exp(part_high[other] - high); }
    row_lse = high + log(total);
    let token = tokens[row];
    report[words] = token;
    var p = 0.0;
    if (token < params.width) { p = exp(scores[base + token] - row_lse); }
    report[words + 1u] = bitcast<u32>(p);
  }
  for (var round = 0u; round < params.count; round++) {
    workgroupBarrier();
    // The largest of what comes after the one found last, in the order (score falling, index rising).
    var best = LOWEST;
    var index = params.width;
    for (var k = lane; k < params.width; k += WORKGROUP) {
      let score = scores[base + k];
      let open = round == 0u || score < last_score || (score == last_score && k > last_index);
      if (open && (index == params.width || score > best)) {
        best = score;
        index = k;
      }
    }
    part_high[lane] = best;
    part_index[lane] = index;
    workgroupBarrier();
    if (lane == 0u) {
      for (var other = 1u; other < WORKGROUP; other++) {
        let score = part_high[other];
        let at = part_index[other];
        if (at < params.width && (index == params.width || score > best || (score == best && at < index))) {
          best = score;
          index = at;
        }
      }
      last_score = best;
      last_index = index;
      report[words + 2u + 2u * round] = index;
      report[words + 3u + 2u * round] = bitcast<u32>(exp(best - row_lse));
    }
  }
}
