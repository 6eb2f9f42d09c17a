/** Views of a storage against a direct evaluation of storage[offset + Σ index · stride]. */

import t from "tap";
import { gather, isContiguous, reach, readView } from "../../dist/weight-files/strided.js";
import { Random } from "../programs/random.js";

/** Element by element, as the definition has it. */
function direct(
  bytes: Uint8Array,
  shape: readonly number[],
  stride: readonly number[],
  width: number,
): number[] {
  const out: number[] = [];
  const visit = (axis: number, at: number): void => {
    if (axis === shape.length) {
      for (let i = 0; i < width; i++) out.push(bytes[at * width + i]!);
      return;
    }
    for (let i = 0; i < shape[axis]!; i++) visit(axis + 1, at + i * stride[axis]!);
  };
  visit(0, 0);
  return out;
}

t.test("random views", async (t) => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const axes = random.whole(0, 5);
    const shape = Array.from({ length: axes }, () => (random.whole(0, 30) === 0 ? 0 : random.whole(1, 4)));
    const stride = Array.from({ length: axes }, () => random.whole(0, 12));
    const width = random.of([1, 2, 4, 8]);
    const elements = reach(shape, stride);
    const bytes = Uint8Array.from({ length: elements * width }, () => random.whole(0, 255));
    const wanted = direct(bytes, shape, stride, width);
    const found = gather(bytes, shape, stride, width);
    if (Buffer.compare(found, Uint8Array.from(wanted)) !== 0)
      t.fail(`seed ${seed}: [${shape}] by [${stride}]`);
    if (
      isContiguous(shape, stride) &&
      wanted.length > 0 &&
      Buffer.compare(bytes, Uint8Array.from(wanted)) !== 0
    ) {
      t.fail(`seed ${seed}: [${shape}] by [${stride}] is not contiguous`);
    }
  }
  t.pass("300 views");
});

t.test("large views are read in pieces", async (t) => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed + 1000);
    const shape = Array.from({ length: random.whole(0, 4) }, () => random.whole(1, 6));
    const stride = shape.map(() => random.whole(0, 40));
    const width = random.of([1, 2, 4, 8]);
    const bytes = Uint8Array.from({ length: reach(shape, stride) * width }, () => random.whole(0, 255));
    const read = async (target: Uint8Array, position: number) => {
      if (position + target.length > bytes.length) throw new Error("reads beyond the view");
      target.set(bytes.subarray(position, position + target.length));
    };
    const found = await readView(read, shape, stride, width, random.whole(1, 64));
    if (Buffer.compare(found, Uint8Array.from(direct(bytes, shape, stride, width))) !== 0) {
      t.fail(`seed ${seed}: [${shape}] by [${stride}]`);
    }
  }
  // A transposed matrix of 64 KiB, a channels-last picture, and 1 KiB at a time.
  for (const [shape, stride] of [
    [
      [128, 128],
      [1, 128],
    ],
    [
      [4, 16, 16, 16],
      [1, 1024, 64, 4],
    ],
  ] as const) {
    let longest = 0;
    const bytes = Uint8Array.from({ length: 65536 }, (_, i) => i % 251);
    const read = async (target: Uint8Array, position: number) => {
      longest = Math.max(longest, target.length);
      target.set(bytes.subarray(position, position + target.length));
    };
    const found = await readView(read, shape, stride, 4, 1024);
    t.equal(Buffer.compare(found, Uint8Array.from(direct(bytes, shape, stride, 4))), 0);
    t.ok(longest <= 4096, `${longest} bytes at once`);
  }
});

t.test("small cases", async (t) => {
  t.same(
    [...gather(new Uint8Array([0, 1, 2, 3, 4, 5]), [3, 2], [1, 3], 1)],
    [0, 3, 1, 4, 2, 5],
    "transposed",
  );
  t.same([...gather(new Uint8Array([7]), [2, 2], [0, 0], 1)], [7, 7, 7, 7], "expanded");
  t.same([...gather(new Uint8Array([7]), [], [], 1)], [7], "of no axes");
  t.equal(reach([3, 2], [1, 3]), 6);
  t.equal(reach([2, 0], [9, 9]), 0);
  t.equal(reach([], []), 1);
  t.ok(isContiguous([2, 3], [3, 1]));
  t.ok(isContiguous([2, 1, 3], [3, 77, 1]), "the stride of one element does not matter");
  t.notOk(isContiguous([2, 3], [1, 2]));
  t.notOk(isContiguous([3], [0]));
  t.notOk(isContiguous([2, 2], [3, 1]), "rows with gaps");
  // A signalling NaN as a number would become a quiet one.
  const nan = new Uint8Array([1, 0, 0, 0, 0, 0, 0xf0, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0]);
  t.same([...gather(nan, [1], [1], 8)], [...nan.subarray(0, 8)], "bits of NaN stay");
});
