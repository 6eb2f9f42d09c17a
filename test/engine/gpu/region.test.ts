import { overlaps, type Region, stretch } from "../../../dist/engine/gpu/region.js";
import { randomArray, test } from "../../harness.js";

/** The bytes of a region, one by one. */
function bytes({ offset, shape, strides }: Region): Set<number> {
  let places = [offset];
  shape.forEach((n, axis) => {
    places = places.flatMap((place) => Array.from({ length: n }, (_, i) => place + i * strides[axis]!));
  });
  return new Set(places);
}

const share = (a: Region, b: Region) => [...bytes(a)].some((place) => bytes(b).has(place));

test("boxes of one dense tensor are told apart exactly", async (t) => {
  const numbers = randomArray(1, 100_000).map((x) => Math.abs(Math.floor(x * 1e6)));
  let at = 0;
  const below = (n: number) => numbers[at++]! % n;
  const shape = [3, 4, 5];
  const strides = [20, 5, 1];
  const box = (): Region => {
    const start = shape.map(below);
    const axes = [0, 1, 2].sort(() => below(3) - 1);
    return {
      offset: start.reduce((sum, i, axis) => sum + i * strides[axis]!, 7 * 60),
      shape: axes.map((axis) => 1 + below(shape[axis]! - start[axis]!)),
      strides: axes.map((axis) => strides[axis]!),
    };
  };
  let wrong = 0;
  let shared = 0;
  for (let i = 0; i < 2000; i++) {
    const [a, b] = [box(), box()];
    const expected = share(a, b);
    if (expected) shared++;
    if (overlaps(a, b) !== expected) wrong++;
  }
  t.ok(shared > 200 && shared < 1800, `${shared} of 2000 pairs share a byte`);
  t.equal(wrong, 0, "every pair is judged right");
});

test("whatever the strides, shared bytes are never overlooked", async (t) => {
  const numbers = randomArray(2, 200_000).map((x) => Math.abs(Math.floor(x * 1e6)));
  let at = 0;
  const below = (n: number) => numbers[at++]! % n;
  const any = (): Region => {
    const rank = below(3);
    return {
      offset: below(40),
      shape: Array.from({ length: rank }, () => 1 + below(4)),
      strides: Array.from({ length: rank }, () => below(13)),
    };
  };
  let overlooked = 0;
  let apart = 0;
  for (let i = 0; i < 5000; i++) {
    const [a, b] = [any(), i % 3 === 0 ? stretch(below(40), 1 + below(20)) : any()];
    const said = overlaps(a, b);
    if (!said) apart++;
    if (!said && share(a, b)) overlooked++;
  }
  t.ok(apart > 500, `${apart} of 5000 pairs are told apart`);
  t.equal(overlooked, 0, "none of them shares a byte");
});
