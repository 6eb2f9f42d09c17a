import { philox, seedWords } from "../../../dist/engine/ops/philox.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { drawRestartRows } from "../../../dist/models/vqvae/codebook.js";
import { test } from "../../harness.js";
import { chiSquareZ } from "../../reference/statistics.js";

const words = (rng: Rng, index: number, stream: number, kind = 0) =>
  philox([index, stream, rng.step, kind], seedWords(rng.seed));

function histogram(values: ArrayLike<number>, cells: number): number[] {
  const counts = new Array<number>(cells).fill(0);
  for (let i = 0; i < values.length; i++) counts[values[i]!]!++;
  return counts;
}

/** Row of rank `rank` in the permutation of shaders/vqvae/restart-rows.wgsl. */
function permuted(rng: Rng, stream: number, rank: number, rows: number): number {
  const half = Math.ceil(Math.log2(rows) / 2);
  const low = 2 ** half - 1;
  let x = rank;
  do {
    for (let round = 0; round < 10; round++) {
      const right = x & low;
      x = (right << half) | ((x >> half) ^ (words(rng, right, stream, 2 + round)[0] & low));
    }
  } while (x >= rows);
  return x;
}

test("codes that are due for a restart get different rows", async (t, gpu) => {
  const rng = new Rng(gpu, 21);
  for (const [codes, rows] of [
    [512, 512],
    [300, 300],
    [130, 1000],
    [70, 33],
    [9, 2],
    [5, 1],
  ] as const) {
    // Two of three are due, so more of them than rows in the last three cases.
    const idle = Float32Array.from({ length: codes }, (_, k) => (k % 3 === 1 ? 4 : 5 + (k % 7)));
    rng.setStep(3);
    const drawn = await drawRestartRows(rng, fromArray(gpu, idle, [codes]), rows, 5).read();
    const due = Array.from(idle.keys()).filter((k) => idle[k]! >= 5);
    const name = `${due.length} of ${codes} codes, ${rows} rows`;
    const expected = new Array<number>(codes).fill(0);
    due.forEach((code, rank) => {
      expected[code] = permuted(rng, 0, rank % rows, rows);
    });
    t.same([...drawn], expected, `${name}: the same rows in TypeScript`);
    const times = histogram(
      due.map((code) => drawn[code]!),
      rows,
    );
    const [least, most] = [Math.floor(due.length / rows), Math.ceil(due.length / rows)];
    t.ok(
      times.every((n) => n >= least && n <= most),
      `${name}: each row ${least} or ${most} times`,
    );
  }
  rng.dispose();
});

test("rows of restarts are uniform, and so are pairs of them", async (t, gpu) => {
  const rng = new Rng(gpu, 22);
  const [rows, draws] = [7, 3000];
  const idle = fromArray(gpu, [1, 1, 1], [3]);
  const drawing: Promise<Uint32Array>[] = [];
  for (let stream = 0; stream < draws; stream++) {
    const tensor = drawRestartRows(rng, idle, rows, 1);
    drawing.push(tensor.read());
    tensor.dispose();
  }
  const drawn = await Promise.all(drawing);
  for (const code of [0, 1, 2]) {
    const counts = histogram(
      drawn.map((row) => row[code]!),
      rows,
    );
    t.ok(chiSquareZ(counts, new Array(rows).fill(1 / rows)) < 3.3, `code ${code}: ${counts}`);
  }
  const pairs = histogram(
    drawn.map(([first, , third]) => first! * rows + third!),
    rows * rows,
  );
  const exact = pairs.map((_, i) => (i % rows === Math.floor(i / rows) ? 0 : 1 / (rows * (rows - 1))));
  t.ok(chiSquareZ(pairs, exact) < 3.3, "the first and the third code: all pairs of different rows alike");
  idle.dispose();
  rng.dispose();
});
