import { maskBlock, maskCondition } from "../../dist/diffusion/masking.js";
import { happens, philox, probabilityThreshold, seedWords } from "../../dist/engine/ops/philox.js";
import { Rng } from "../../dist/engine/ops/rng.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { test } from "../harness.js";

const words = (rng: Rng, index: number, stream: number, kind = 0) =>
  philox([index, stream, rng.step, kind], seedWords(rng.seed));

/** The first place at which two lists differ, -1 for none; a printed difference of so many numbers would take minutes. */
const firstOther = (values: Uint32Array, wanted: readonly number[]) =>
  values.findIndex((value, i) => value !== wanted[i]);

test("condition masks have the same bits in TypeScript", async (t, gpu) => {
  const rng = new Rng(gpu, 99);
  rng.setStep(12);
  const y = Uint32Array.from({ length: 50 * 64 }, (_, i) => i % 512);
  const masked = await maskCondition(rng, fromArray(gpu, y, [50, 64], "u32"), {
    conditionRate: 0.4,
    maskRate: 0.3,
    maskId: 512,
  }).read();
  const wanted = Array.from(y, (code, i) => {
    const chosen = happens(words(rng, Math.floor(i / 64), 0, 1)[0], probabilityThreshold(0.4));
    return chosen && happens(words(rng, i, 0)[0], probabilityThreshold(0.3)) ? 512 : code;
  });
  t.same([...masked], wanted, "some of the positions of some of the samples");
  rng.dispose();
});

test("condition masking is Algorithm 1: some samples, some of their positions", async (t, gpu) => {
  const [samples, positions] = [2000, 64];
  const y = fromArray(gpu, new Uint32Array(samples * positions).fill(7), [samples, positions], "u32");
  const rng = new Rng(gpu, 8);
  const lost = (values: Uint32Array) =>
    Array.from(
      { length: samples },
      (_, b) => values.subarray(b * positions, (b + 1) * positions).filter((code) => code === 9).length,
    );
  const some = lost(await maskCondition(rng, y, { conditionRate: 0.1, maskRate: 0.25, maskId: 9 }).read());
  const touched = some.filter((count) => count > 0);
  t.near([touched.length / samples], [0.1], { abs: 0.027 }, "a tenth of the samples (4 standard deviations)");
  t.near(
    [touched.reduce((a, b) => a + b, 0) / touched.length / positions],
    [0.25],
    { abs: 0.02 },
    "a quarter of their positions",
  );
  const whole = lost(await maskCondition(rng, y, { conditionRate: 0.5, maskRate: 1, maskId: 9 }).read());
  t.ok(
    whole.every((count) => count === 0 || count === positions),
    "P_mask = 1 drops whole conditions",
  );
  const dropped = lost(
    await maskCondition(rng, y, { conditionRate: 0.5, maskRate: 0.25, dropRate: 0.2, maskId: 9 }).read(),
  );
  t.near(
    [dropped.filter((count) => count === positions).length / samples],
    [0.2],
    { abs: 0.036 },
    "P_drop drops a fifth of the whole conditions (4 standard deviations)",
  );
  t.near(
    [dropped.filter((count) => count > 0 && count < positions).length / samples],
    [0.4],
    { abs: 0.044 },
    "and leaves P_cond of the others to P_mask",
  );
  const never = lost(await maskCondition(rng, y, { conditionRate: 0, maskRate: 1, maskId: 9 }).read());
  t.ok(
    never.every((count) => count === 0),
    "P_cond = 0 drops nothing",
  );
  const pair = await maskCondition(rng, y, { conditionRate: 1, maskRate: 1, maskId: 9 }, true).read();
  t.ok(
    pair.every((code, i) => code === (i < y.size ? 7 : 9)),
    "a pair: full, then masked",
  );
  await t.throwsMessage(
    () => maskCondition(rng, y, { conditionRate: 2, maskRate: 0, maskId: 9 }),
    /P_cond is 2/,
    "a bad rate",
  );
  rng.dispose();
});

test("with drawn rates each sample has its own share, the same in TypeScript", async (t, gpu) => {
  const [samples, positions] = [2000, 64];
  const rng = new Rng(gpu, 31);
  rng.setStep(5);
  const y = fromArray(gpu, new Uint32Array(samples * positions).fill(7), [samples, positions], "u32");
  const options = { conditionRate: 0.8, maskRate: 0.9, rates: "drawn", maskId: 9 } as const;
  const masked = await maskCondition(rng, y, options).read();
  const wanted: number[] = [];
  const counts: number[] = [];
  for (let b = 0; b < samples; b++) {
    const [chosen, , share] = words(rng, b, 0, 1);
    const threshold = Number((BigInt(share) * BigInt(probabilityThreshold(0.9))) >> 32n);
    const hidden = Array.from(
      { length: positions },
      (_, i) =>
        happens(chosen, probabilityThreshold(0.8)) && happens(words(rng, b * positions + i, 0)[0], threshold),
    );
    wanted.push(...hidden.map((is) => (is ? 9 : 7)));
    counts.push(hidden.filter(Boolean).length / positions);
  }
  t.equal(firstOther(masked, wanted), -1, "positions of a share of the sample's own");
  const mean = counts.reduce((a, b) => a + b, 0) / samples;
  t.near([mean], [0.8 * 0.45], { abs: 0.027 }, "on average half of P_mask (4 standard deviations)");
  t.ok(
    counts.some((share) => share > 0.8),
    "up to nearly P_mask",
  );
  rng.dispose();
});

test("a rectangle has nearly the wanted share of the grid", (t) => {
  const sides = (share: number) => maskBlock(8, share).join("x");
  t.same(
    [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1].map(sides),
    ["0x0", "2x3", "4x4", "4x8", "6x8", "7x8", "8x8"],
    "of 64 codes 0, 6, 16, 32, 48, 56, 64",
  );
  t.same(maskBlock(32, 0.1), [8, 13], "104 of 1024, of 102.4 wanted");
  t.same(maskBlock(1, 1), [1, 1], "a grid of one code");
});

test("blocks are one rectangle of the grid for each sample, the same in TypeScript", async (t, gpu) => {
  const [samples, side] = [2000, 8];
  const y = fromArray(gpu, new Uint32Array(samples * side * side).fill(7), [samples, side * side], "u32");
  const rng = new Rng(gpu, 21);
  rng.setStep(3);
  const masked = await maskCondition(
    rng,
    y,
    { conditionRate: 0.9, maskRate: 0.1, shape: "blocks", maskId: 9 },
    true,
  ).read();
  const wanted: number[] = [];
  const places = new Set<string>();
  for (let b = 0; b < samples; b++) {
    const chosen = happens(words(rng, b, 0, 1)[0], probabilityThreshold(0.9));
    const [turned, y, x] = words(rng, b, 0, 2);
    const [rows, columns] = turned & 1 ? [3, 2] : [2, 3];
    const [top, left] = [y % (side - rows + 1), x % (side - columns + 1)];
    if (chosen) places.add(`${rows} ${top} ${left}`);
    for (let i = 0; i < side * side; i++) {
      const [row, column] = [Math.floor(i / side), i % side];
      const inside = row >= top && row < top + rows && column >= left && column < left + columns;
      wanted.push(chosen && inside ? 9 : 7);
    }
  }
  t.equal(firstOther(masked.subarray(y.size), wanted), -1, "rectangles of 2 by 3 codes or 3 by 2");
  t.ok(
    masked.subarray(0, y.size).every((code) => code === 7),
    "the full condition is whole",
  );
  t.equal(places.size, 2 * 6 * 7, "at every place of the grid that they fit");
  const drawn = await maskCondition(rng, y, {
    ...{ conditionRate: 0.9, maskRate: 0.9, rates: "drawn", shape: "blocks", maskId: 9 },
  }).read();
  const sizes = new Set<string>();
  for (let b = 0; b < samples; b++) {
    const [turned, top, left, sides] = words(rng, b, 1, 2);
    const drawnSides = [1 + (((sides & 0xffff) * 7) >>> 16), 1 + (((sides >>> 16) * 8) >>> 16)];
    const [rows, columns] = (turned & 1 ? drawnSides.reverse() : drawnSides) as [number, number];
    const [first, before] = [top % (side - rows + 1), left % (side - columns + 1)];
    const chosen = happens(words(rng, b, 1, 1)[0], probabilityThreshold(0.9));
    if (chosen) sizes.add(`${rows}x${columns}`);
    for (let i = 0; i < side * side; i++) {
      const [row, column] = [Math.floor(i / side) - first, (i % side) - before];
      const inside = row >= 0 && row < rows && column >= 0 && column < columns;
      if ((drawn[b * side * side + i] === 9) !== (chosen && inside))
        return t.ok(false, `sample ${b}, position ${i}: a rectangle of ${rows} by ${columns}`);
    }
  }
  t.equal(sizes.size, 8 * 8 - 1, "with drawn rates every rectangle up to 7 by 8, lying or standing");
  const lines = fromArray(gpu, new Uint32Array(12), [2, 6], "u32");
  await t.throwsMessage(
    () => maskCondition(rng, lines, { conditionRate: 1, maskRate: 0.5, shape: "blocks", maskId: 9 }),
    /6 positions are no square grid/,
    "positions that are no grid",
  );
  rng.dispose();
});
