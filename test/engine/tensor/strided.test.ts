import { copyStrided } from "../../../dist/engine/tensor/strided.js";
import { empty, fromArray, zeros } from "../../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../../harness.js";

test("a transposed view is made dense", async (t, gpu) => {
  const [rows, columns] = [17, 65];
  const data = randomArray(1, rows * columns);
  const x = fromArray(gpu, data, [rows, columns]);
  const y = empty(gpu, [columns, rows]);
  copyStrided(x.transpose(), y, { accumulate: false });
  const expected = data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!);
  t.near(await y.read(), expected, {}, "every element is in its place");
});

test("a slice of a six-axis tensor receives another, added to what was there", async (t, gpu) => {
  const target = zeros(gpu, [2, 3, 1, 2, 5, 3]);
  const source = fromArray(gpu, randomArray(2, 2 * 3 * 2 * 2 * 3), [2, 3, 1, 2, 2, 3]);
  const part = target.slice(4, 1, 2);
  copyStrided(source, part, { accumulate: true });
  copyStrided(source, part, { accumulate: true });
  const actual = await target.read();
  const values = await source.read();
  const expected = new Float64Array(actual.length);
  for (let outer = 0; outer < 12; outer++) {
    for (let axis = 0; axis < 2; axis++) {
      for (let inner = 0; inner < 3; inner++) {
        expected[outer * 15 + (axis + 1) * 3 + inner] = 2 * values[outer * 6 + axis * 3 + inner]!;
      }
    }
  }
  t.near(actual, expected, { rel: 1e-6 }, "twice the source inside, zero outside");
});

for (const [name, start, width, accumulate] of [
  ["in fours, added", 4, 12, true],
  ["in fours but for its offset", 1, 12, false],
  ["in fours but for its width", 4, 11, false],
] as const) {
  test(`a slice of rows is copied into another: ${name}`, async (t, gpu) => {
    const [rows, from, into] = [5, 20, 16];
    const values = randomArray(3, rows * from);
    const before = randomArray(4, rows * into);
    const target = fromArray(gpu, before, [rows, into]);
    const source = fromArray(gpu, values, [rows, from]).slice(1, start, width);
    copyStrided(source, target.slice(1, 4, width), { accumulate });
    const expected = before.map((value, i) => {
      const [row, column] = [Math.floor(i / into), (i % into) - 4];
      if (column < 0 || column >= width) return value;
      return values[row * from + start + column]! + (accumulate ? value : 0);
    });
    t.near(await target.read(), expected, { abs: 1e-6 }, "inside the slice alone");
  });
}
