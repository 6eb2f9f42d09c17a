import { readFile } from "node:fs/promises";
import t from "tap";
import { namedGrids, parseGrid } from "../../../dist/evaluation/sweep/grid.js";
import { distinct, passesOf, pointsOf, samplingOf } from "../../../dist/evaluation/sweep/points.js";

const base = { steps: 25, temperature: 1, topR: 0.86, most: 100 };

t.test("lists of masks make a curve of each combination; values run along a curve", async (t) => {
  const grid = parseGrid(
    {
      seeds: 2,
      curves: [
        { method: "none", topR: [0.5, 1] },
        { method: "mcs", scale: [2, 3], maskRate: [0.1, 0.5], maskShape: ["random", "blocks"] },
        { method: "mcs-printed", scale: 1, maskMode: "redrawn" },
      ],
    },
    "own.json",
  );
  t.equal(grid.seeds, 2);
  t.same(
    grid.curves.map(({ name, along, values }) => [name, along, values]),
    [
      ["none, top-r", "topR", [0.5, 1]],
      ["mcs, 0.1 masked", "scale", [2, 3]],
      ["mcs, 0.1 masked, blocks", "scale", [2, 3]],
      ["mcs, 0.5 masked", "scale", [2, 3]],
      ["mcs, 0.5 masked, blocks", "scale", [2, 3]],
      ["mcs-printed, 0.1 masked, redrawn", "scale", [1]],
    ],
  );
  t.same(grid.curves[2]!.mask, { rate: 0.1, mode: "fixed", shape: "blocks" });
});

t.test("a wrong grid is one sentence with the file, the curve and what would be right", async (t) => {
  for (const [grid, pattern] of [
    [{}, /^own\.json: a grid is .*there are no curves/],
    [{ curves: [] }, /there are no curves/],
    [{ curves: [1] }, /curve 1: it should be an object/],
    [{ curves: [{ method: "cfg", scale: [1] }], steps: 3 }, /"steps" is not of a grid/],
    [{ curves: [{ method: "cfg", scale: [1] }], seeds: 0 }, /seeds should be a whole number/],
    [{ curves: [{ method: "more", scale: [1] }] }, /method should be one of none, cfg, mcs, mcs-printed/],
    [
      { curves: [{ method: "cfg", scale: [1] }, { method: "mcs" }] },
      /curve 2: mcs needs one list of values: scale/,
    ],
    [{ curves: [{ method: "none", scale: [1] }] }, /none needs one list of values: temperature or topR/],
    [{ curves: [{ method: "none", topR: [1], temperature: [1] }] }, /none needs one list/],
    [{ curves: [{ method: "cfg", scale: [1], maskRate: 0.1 }] }, /cfg masks nothing in part/],
    [{ curves: [{ method: "cfg", scale: [] }] }, /scale should be numbers from -100 to 100/],
    [{ curves: [{ method: "cfg", scale: ["1"] }] }, /scale should be numbers/],
    [{ curves: [{ method: "cfg", scale: [1, 1] }] }, /scale has a number twice/],
    [{ curves: [{ method: "none", topR: [0] }] }, /topR should be numbers from 0.001 to 1/],
    [{ curves: [{ method: "mcs", scale: [1], maskShape: "round" }] }, /maskShape should be random or blocks/],
    [{ curves: [{ method: "mcs", scale: [1], maskMode: ["fixed", "fixed"] }] }, /maskMode has a name twice/],
    [{ curves: [{ method: "cfg", scale: [1], omega: 1 }] }, /"omega" is not of a curve/],
    [
      {
        curves: [
          { method: "cfg", scale: [1] },
          { method: "cfg", scale: [2] },
        ],
      },
      /two curves are "cfg"; join their values/,
    ],
  ] as const)
    t.throws(() => parseGrid(grid, "own.json"), { message: pattern, exitCode: 2 }, JSON.stringify(grid));
});

t.test("points: the full model once, unguided ones at equal passes, too", async (t) => {
  const grid = parseGrid(
    {
      curves: [
        { method: "none", temperature: [0.5, 1] },
        { method: "cfg", scale: [1, 2] },
        { method: "mcs", scale: [1, 2], maskRate: 0.5, maskShape: "blocks" },
        { method: "mcs-printed", scale: [0, 1] },
      ],
    },
    "own.json",
  );
  const points = pointsOf(grid, base);
  t.same(
    points.map(({ group, value, key, passes }) => [group, value, key, passes]),
    [
      ["none", 0.5, "none τ=0.5 r=0.86 N=25", 25],
      ["none", 1, "none τ=1 r=0.86 N=25", 25],
      ["cfg", 1, "none τ=1 r=0.86 N=25", 25],
      ["cfg", 2, "cfg ω=2 τ=1 r=0.86 N=25", 50],
      ["mcs", 1, "none τ=1 r=0.86 N=25", 25],
      ["mcs", 2, "mcs ω=2 mask=0.5-fixed-blocks τ=1 r=0.86 N=25", 50],
      ["mcs-printed", 0, "none τ=1 r=0.86 N=25", 25],
      ["mcs-printed", 1, "mcs-printed ω=1 mask=0.1-fixed-random τ=1 r=0.86 N=25", 50],
      ["none ×2", 0.5, "none τ=0.5 r=0.86 N=50", 50],
      ["none ×2", 1, "none τ=1 r=0.86 N=50", 50],
    ],
  );
  t.equal(distinct(points).length, 7, "each setting once");
  t.same(samplingOf(points[5]!.settings), {
    ...{ steps: 25, temperature: 1, topR: 0.86 },
    guidance: { method: "mcs", scale: 2, maskRate: 0.5, maskMode: "fixed", maskShape: "blocks" },
  });
  t.equal(passesOf({ method: "cfg", steps: 10 }), 20, "two branches");
  t.equal(pointsOf(grid, { ...base, most: 40 }).length, 8, "no 50 steps of 40");
});

t.test("the grids that ship: a few dozen settings, and a few", async (t) => {
  const count = (name: keyof typeof namedGrids) =>
    distinct(pointsOf(parseGrid(namedGrids[name], name), base)).length;
  t.equal(count("default"), 56);
  t.equal(count("quick"), 10);
});

t.test("the grid of docs/mcs.md has every mask rate that its hypotheses name, and both signs", async (t) => {
  const text = await readFile(new URL("../../../docs/mcs-grid.json", import.meta.url), "utf8");
  const names = parseGrid(JSON.parse(text), "docs/mcs-grid.json").curves.map(({ name }) => name);
  for (const name of [
    "none, temperature",
    "cfg",
    "mcs, 0.1 masked",
    "mcs, 0.5 masked",
    "mcs-printed, 0.1 masked",
  ])
    t.ok(names.includes(name), name);
});
