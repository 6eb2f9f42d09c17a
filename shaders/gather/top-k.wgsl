// The k largest elements of each row, largest first; of equals the first, and NaN before all numbers.
//
// Shapes: x [rows, width], dense; the result [rows, tiles, k] of places in the row. A workgroup sorts the candidates of one
// tile (all places of the row, or with CANDIDATES those that a launch before has left) in its memory by a bitonic network
// and writes the first k. As long as a row has several tiles, another launch takes what they have left: k ≤ TILE / 2
// halves it at least. Only `span` places are sorted, the power of two that holds all candidates of a short row.
// Grid: groups1d(rows · tiles, 1).
// @more

const WORKGROUP: u32 = 128; // @tune 64 128 256
const TILE: u32 = 1024u;
const CANDIDATES: bool = false; // @variant

struct Params {
  width: u32,
  candidates: u32, // of a row; `width` without CANDIDATES
  tiles: u32,
  rows: u32,
  k: u32,
  span: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> candidates: array<u32>;
@group(0) @binding(3) var<storage, read_write> largest: array<u32>;

// @shared order-key
// A word that orders float32 numbers as they are: rising, -0 like 0, every NaN above infinity.
fn order_key(z: f32) -> u32 {
  let bits = bitcast<u32>(z);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if (bits == 0x80000000u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
// @end shared

const NONE: u32 = 0xffffffffu;

var<workgroup> keys: array<u32, TILE>;
var<workgroup> places: array<u32, TILE>;

// A place without a candidate has key 0, which no number has, and comes last.
fn load(row: u32, tile: u32, slot: u32) {
  let candidate = tile * TILE + slot;
  var place = NONE;
  if (candidate < params.candidates) {
    place = candidate;
    if (CANDIDATES) { place = candidates[row * params.candidates + candidate]; }
  }
  places[slot] = place;
  var key = 0u;
  if (place != NONE) { key = order_key(x[row * params.width + place]); }
  keys[slot] = key;
}

fn before(a: u32, b: u32) -> bool {
  return keys[a] > keys[b] || (keys[a] == keys[b] && places[a] < places[b]);
}

@compute @workgroup_size(WORKGROUP)
fn select_tile(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let item = group.y * groups.x + group.x;
  let inside = item < params.rows * params.tiles;
  let row = select(0u, item / params.tiles, inside);
  let tile = item % params.tiles;
  for (var slot = local; slot < params.span; slot += WORKGROUP) { load(row, tile, slot); }
  workgroupBarrier();
  for (var size = 2u; size <= params.span; size *= 2u) {
    for (var reach = size / 2u; reach > 0u; reach /= 2u) {
      for (var pair = local; pair < params.span / 2u; pair += WORKGROUP) {
        let a = pair / reach * (2u * reach) + pair % reach;
        let b = a + reach;
        // Every other run is sorted the other way round, so that two of them join to a bitonic sequence.
        let falling = (a & size) == 0u;
        if (select(before(a, b), before(b, a), falling)) {
          let key = keys[a];
          let place = places[a];
          keys[a] = keys[b];
          places[a] = places[b];
          keys[b] = key;
          places[b] = place;
        }
      }
      workgroupBarrier();
    }
  }
  if (inside) {
    for (var rank = local; rank < params.k; rank += WORKGROUP) {
      largest[item * params.k + rank] = select(NONE, places[min(rank, params.span - 1u)], rank < params.span);
    }
  }
}
