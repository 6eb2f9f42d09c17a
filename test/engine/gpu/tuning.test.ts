import t from "tap";
import { findTuning, readTuning, userTuningPath } from "../../../dist/cli/tuning-file.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import * as kernels from "../../../dist/engine/gpu/kernels.generated.js";
import * as choices from "../../../dist/engine/gpu/tuning/choices.js";
import { storedTuning, storeTuning } from "../../../dist/engine/gpu/tuning/stored-tuning.js";
import { shippedTuning } from "../../../dist/engine/gpu/tuning/tuning.generated.js";
import { reasoned } from "../../../dist/engine/gpu/tuning/tuning.js";
import { tuningProblems } from "../../../dist/engine/gpu/tuning/tuning-problems.js";
import {
  adapterKey,
  adapterKeys,
  entriesFor,
  parseShapeClass,
  shapeClass,
  shapeCode,
  sourceHash,
  type TunedKernel,
  type TuningTable,
  tableFault,
  tuningFormat,
  usableValues,
} from "../../../dist/engine/gpu/tuning/tuning-table.js";
import { matmulKernel } from "../../../dist/engine/ops/matmul.js";
import { softmax } from "../../../dist/engine/ops/softmax.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { UserError } from "../../../dist/platform/errors.js";
import { freshDevice } from "../../device.js";
import { randomArray } from "../../harness.js";

t.setTimeout(120_000);

const softmaxForward = kernels.softmax.forward;
const source = sourceHash(softmaxForward.source);

/** A table for all adapters there are, unless another key is given. */
function tableOf(entries: Record<string, TunedKernel>, key?: string): TuningTable {
  const adapter = { measured: "a test", kernels: entries };
  return { format: tuningFormat, adapters: key ? { [key]: adapter } : { software: adapter, gpu: adapter } };
}

/** A table with one value for softmax's rows of one class of shapes. */
const lanes = (LANES: number | string, shape = "any"): TuningTable =>
  tableOf({ "softmax.forward": { source, shapes: { [shape]: { values: { LANES } } } } });

t.test("classes of adapters and shapes", async (t) => {
  const info = { vendor: "NVIDIA", architecture: "ampere", subgroupMinSize: 32, subgroupMaxSize: 32 };
  t.equal(adapterKey(info as GPUAdapterInfo, false), "gpu/nvidia/ampere/32");
  t.equal(adapterKey({ ...info, subgroupMinSize: 8 } as GPUAdapterInfo, false), "gpu/nvidia/ampere/8-32");
  t.equal(adapterKey(undefined, true), "software/unknown/unknown/0");
  t.same(adapterKeys("a/b/c"), ["a", "a/b", "a/b/c"]);
  t.equal(shapeClass([384, 160, 1741]), "512x128x2048");
  t.equal(shapeClass([1, 3, 65]), "1x4x64");
  for (const shape of [[1], [17, 1], [384, 160, 1741], [1, 1, 1, 2 ** 20, 4]])
    t.equal(
      parseShapeClass(shapeClass(shape)),
      shapeCode(shape),
      "a class as text is the class of the shape",
    );
  t.not(shapeCode([1, 2]), shapeCode([2]), "a leading 1 counts");
  for (const text of ["", "3x4", "x", "0", "1x1x1x1x1x1"]) t.equal(parseShapeClass(text), null, text);
});

t.test("the hash is of the code alone", async (t) => {
  const hash = sourceHash("const A: u32 = 1u; // @tune 1 2\nfn f() {}");
  t.equal(sourceHash("// A comment.\nconst A: u32 = 1u; // @tune 1 2 4\n\n  fn f() {}\n"), hash);
  t.not(sourceHash("const A: u32 = 2u; // @tune 1 2\nfn f() {}"), hash);
});

t.test("the table that comes with the package fits the kernels", async (t) => {
  const device = await freshDevice();
  for (const software of [true, false]) {
    const gpu = Gpu.from(device, { software, tuning: null });
    t.same(
      tuningProblems(reasoned(shippedTuning), gpu.tuning.adapter, gpu.limits),
      [],
      "what was reasoned names kernels, candidates and limits that exist",
    );
    t.equal(gpu.tunables(softmaxForward, [64, 64]).LANES, software ? 1 : 32);
    if (!software) t.equal(matmulKernel(gpu, [64, 64, 64]), "workgroup");
    gpu.dispose();
  }
});

t.test("values of a table, by class of shapes", async (t) => {
  const table = tableOf({
    "softmax.forward": {
      source,
      shapes: {
        any: { values: { LANES: 8, WORKGROUP: 32 } },
        "64x256": { values: { LANES: 16 } },
      },
    },
  });
  const gpu = Gpu.from(await freshDevice(), { software: true, tuning: table });
  t.same(tuningProblems(table, gpu.tuning.adapter, gpu.limits), []);
  t.same(gpu.tunables(softmaxForward, [70, 200]), { WORKGROUP: 32, LANES: 16 }, "the named class over any");
  t.same(gpu.tunables(softmaxForward, [70, 20]), { WORKGROUP: 32, LANES: 8 }, "any other over the default");
  t.equal(
    gpu.tunables(softmaxForward, [70, 200]),
    gpu.tunables(softmaxForward, [64, 256]),
    "one object a class: nothing is made by looking up",
  );
  t.throws(() => Object.assign(gpu.tunables(softmaxForward), { LANES: 1 }), TypeError, "and it is frozen");

  // The op runs with them and is right: rows of 200 by 16 lanes each, against the definition.
  const pipelines: string[] = [];
  gpu.observer = { dispatch: ({ groups }) => pipelines.push(groups.join("x")) };
  const x = randomArray(1, 70 * 200);
  const y = await gpu.scope(() => softmax(fromArray(gpu, x, [70, 200]))).read();
  t.same(pipelines, [`${(70 * 16) / 32}x1x1`], "16 lanes a row in workgroups of 32");
  let worst = 0;
  for (let row = 0; row < 70; row++) {
    const own = Array.from(x.slice(row * 200, (row + 1) * 200));
    const total = own.reduce((sum, value) => sum + Math.exp(value), 0);
    for (let i = 0; i < 200; i++)
      worst = Math.max(worst, Math.abs(y[row * 200 + i]! - Math.exp(own[i]!) / total));
  }
  t.ok(worst < 1e-6, `worst ${worst}`);

  gpu.tuning.set(softmaxForward, { LANES: 1 }, "64x256");
  t.equal(gpu.tunables(softmaxForward, [64, 256]).LANES, 1, "set by hand, over the table");
  gpu.tuning.clear();
  t.equal(gpu.tunables(softmaxForward, [64, 256]).LANES, 16);
  t.throws(() => gpu.tuning.set(softmaxForward, { LANES: 1 }, "64x255"), RangeError);
  gpu.dispose();
});

t.test("a choice of a table is followed as far as the device can", async (t) => {
  const device = await freshDevice();
  const tuning = tableOf({
    "choice matmul": { shapes: { "64x64x64": { values: { KERNEL: "registers" } } } },
    "choice weight-gradient": { shapes: { any: { values: { SPLITS: 4 } } } },
  });
  const gpu = Gpu.from(device, { software: true, tuning });
  t.equal(matmulKernel(gpu, [64, 64, 64]), "registers");
  t.equal(gpu.tunables(choices.weightGradient, [8, 8, 8]).SPLITS, 4);
  const lanes = { configurable: true, value: 4 };
  Object.defineProperty(gpu, "certainLanes", lanes);
  t.equal(matmulKernel(gpu, [8, 8, 8]), "registers", "four lanes are too few for the subgroup kernel");
  Object.defineProperty(gpu, "certainLanes", { ...lanes, value: 0 });
  t.equal(matmulKernel(gpu, [8, 8, 8]), "workgroup", "no subgroups, no kernel that exchanges");
  gpu.dispose();
});

t.test("what cannot be trusted is named in a sentence and left out", async (t) => {
  const limits = { maxComputeInvocationsPerWorkgroup: 128 } as GPUSupportedLimits;
  const kernel = (values: Record<string, number | string>, shape = "any"): TunedKernel => ({
    source,
    shapes: { [shape]: { values } },
  });
  const cases: [string, TuningTable, RegExp][] = [
    [
      "unknown kernel",
      tableOf({ "softmax.sideways": kernel({}) }),
      /softmax\.sideways .*no kernel or choice/,
    ],
    ["unknown tunable", tableOf({ "softmax.forward": kernel({ TILE: 1 }) }), /softmax\.forward .*no TILE/],
    ["not a candidate", lanes(7), /LANES is 1, 8, 16, 32, 64, not 7/],
    ["a word for a number", lanes("8"), /LANES is .*, not 8/],
    ["inherited name", tableOf({ "softmax.forward": kernel({ constructor: 1 }) }), /no constructor/],
    ["no class", lanes(8, "64x65"), /at 64x65 .*no class of shapes/],
    [
      "too large",
      tableOf({ "softmax.forward": kernel({ WORKGROUP: 256 }) }),
      /256, where this device allows 128/,
    ],
    [
      "stale",
      tableOf({ "softmax.forward": { ...kernel({ LANES: 8 }), source: "00000000" } }),
      /softmax\.forward .*has changed since; tune it again/,
    ],
    [
      "foreign",
      tableOf({ "softmax.forward": kernel({ LANES: 8 }) }, "gpu/nvidia/ampere/32"),
      /is for gpu\/nvidia\/ampere\/32, and this is software/,
    ],
    [
      "other version",
      { ...lanes(8), format: "mc-diffusion-tuning-0" as typeof tuningFormat },
      /its format is/,
    ],
  ];
  for (const [what, tuning, message] of cases) {
    const adapter = "software/mesa/software/8";
    const problems = tuningProblems(tuning, adapter, limits);
    t.equal(problems.length, 1, what);
    t.match(problems[0], message, what);
    t.match(problems[0], /^[^\n]+\.$/, "one sentence");
    if (tableFault(tuning) !== null) continue;
    const usable = usableValues(softmaxForward, entriesFor(tuning, adapter), limits);
    t.equal(usable.size, 0, "it is not used");
  }
  const mixed = tableOf({
    "softmax.sideways": kernel({}),
    "softmax.forward": { source, shapes: { "1x1": { values: { LANES: 7 } }, any: { values: { LANES: 8 } } } },
  });
  const gpu = Gpu.from(await freshDevice(), { software: true, tuning: mixed });
  t.equal(tuningProblems(mixed, gpu.tuning.adapter, gpu.limits).length, 2);
  t.equal(gpu.tunables(softmaxForward).LANES, 8, "what is right beside what is wrong is used");
  gpu.dispose();
  const faulty = { ...lanes(8), format: "mc-diffusion-tuning-0" as typeof tuningFormat };
  const untouched = Gpu.from(await freshDevice(), { software: true, tuning: faulty });
  t.equal(untouched.tunables(softmaxForward).LANES, 1, "a table of another version is left out as a whole");
  untouched.dispose();
});

t.test("things that are no table", async (t) => {
  for (const value of [
    null,
    1,
    "x",
    [],
    {},
    { format: tuningFormat },
    { format: tuningFormat, adapters: [] },
  ])
    t.type(tableFault(value), "string", JSON.stringify(value));
  for (const kernel of [1, {}, { shapes: { any: 1 } }, { shapes: { any: { values: null } } }])
    t.match(
      tableFault({ format: tuningFormat, adapters: { gpu: { kernels: { "a.b": kernel } } } }),
      /adapters\["gpu"\], a\.b/,
    );
  t.equal(tableFault(lanes(8)), null);
});

t.test("tables in files", async (t) => {
  const folder = t.testdir({
    "good.json": JSON.stringify(lanes(8)),
    "bad.json": "{",
    "other.json": "{}",
    cache: { "mc-diffusion": { "tuning.json": JSON.stringify(lanes(16)) } },
    broken: { "mc-diffusion": { "tuning.json": "[]" } },
    empty: {},
  });
  const before = { ...process.env };
  t.teardown(() => Object.assign(process.env, { XDG_CACHE_HOME: undefined, MCD_TUNING: undefined }, before));
  t.same(await readTuning(`${folder}/good.json`), lanes(8));
  for (const name of ["bad.json", "other.json", "none.json"])
    await t.rejects(readTuning(`${folder}/${name}`), UserError, name);

  delete process.env.MCD_TUNING;
  process.env.XDG_CACHE_HOME = `${folder}/empty`;
  t.same(await findTuning(), {}, "no table of the user's own");
  process.env.XDG_CACHE_HOME = `${folder}/cache`;
  t.equal(userTuningPath(), `${folder}/cache/mc-diffusion/tuning.json`);
  t.same(await findTuning(), { table: lanes(16) }, "the user's own");
  process.env.MCD_TUNING = `${folder}/good.json`;
  t.same(await findTuning(), { table: lanes(8) }, "the environment's over it");
  t.same(await findTuning("none"), {}, "the command's over both");
  process.env.MCD_TUNING = `${folder}/bad.json`;
  await t.rejects(
    findTuning(),
    { message: /bad\.json is not a tuning table/ },
    "one that was named has to be one",
  );
  delete process.env.MCD_TUNING;
  process.env.XDG_CACHE_HOME = `${folder}/broken`;
  const { table, problem } = await findTuning();
  t.equal(table, undefined);
  t.match(problem, /tuning\.json is not a tuning table: .* It is not used\.$/);
});

t.test("tables in a page's storage", async (t) => {
  const items = new Map<string, string>();
  const storage = {
    getItem: (name: string) => items.get(name) ?? null,
    setItem: (name: string, value: string) => void items.set(name, value),
  };
  Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true, writable: true });
  t.teardown(() => Reflect.deleteProperty(globalThis, "localStorage"));
  t.same(storedTuning(), {}, "nothing kept yet");
  storeTuning(lanes(8));
  t.same(storedTuning(), { table: lanes(8) });
  for (const text of ["{", "{}"]) {
    items.set([...items.keys()][0]!, text);
    t.match(storedTuning(), { table: undefined, problem: /^The stored tuning table is not used: .*\.$/ });
  }
  storage.setItem = () => {
    throw new Error("the quota is used up");
  };
  t.throws(() => storeTuning(lanes(8)), /cannot store the tuning table: the quota is used up/);
});
