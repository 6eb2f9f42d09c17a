/** `node dist/inspect.js`. */

import { writeFile } from "node:fs/promises";
import t from "tap";
import { fitsOf, knownModels } from "../../dist/weight-files/known-models.js";
import { type ListedTensor, treeLines } from "../../dist/weight-files/tree.js";
import { floats, type Picklable, tensorOf, torchZip } from "../weight-files/build.js";
import { runCommand } from "./run.js";

t.setTimeout(300_000);

const data = (name: string) => new URL(`../../test/weight-files/data/${name}`, import.meta.url).pathname;

t.test("a tree with totals", async (t) => {
  const path = data("lightning.ckpt");
  const { code, stdout, stderr } = await runCommand("inspect", [path]);
  t.same([code, stderr], [0, ""]);
  t.same(stdout.split("\n"), [
    `${path}: PyTorch zip, 7 tensors, 129 values, 520 B`,
    "fits: none of the models that this program knows",
    "epoch: 7",
    "global_step: 250001",
    "pytorch-lightning_version: 1.0.8",
    "hparams_name: kwargs",
    "not listed: callbacks, optimizer_states, lr_schedulers, hyper_parameters",
    "",
    "0  2 tensors, 112 values, 448 B",
    "  weight  F32 [4, 3, 3, 3]  432 B",
    "  bias  F32 [4]  16 B",
    "1  5 tensors, 17 values, 72 B",
    "  weight  F32 [4]  16 B",
    "  bias  F32 [4]  16 B",
    "  running_mean  F32 [4]  16 B",
    "  running_var  F32 [4]  16 B",
    "  num_batches_tracked  I64 []  8 B",
    "",
  ]);
  const folded = await runCommand("inspect", ["--depth", "1", path]);
  t.same(folded.stdout.split("\n").slice(8), [
    "0  2 tensors, 112 values, 448 B",
    "1  5 tensors, 17 values, 72 B",
    "",
  ]);
});

t.test("JSON", async (t) => {
  const { code, stdout } = await runCommand("inspect", ["--json", data("dtypes.legacy.pt")]);
  t.equal(code, 0);
  const told = JSON.parse(stdout) as {
    kind: string;
    tensors: ListedTensor[];
    totals: unknown;
    fits: unknown;
  };
  t.equal(told.kind, "PyTorch legacy");
  t.same(told.totals, { tensors: 12, values: 105, bytes: 353 });
  t.same(told.fits, []);
  t.same(
    told.tensors.slice(0, 6).map(({ name, dtype, shape }) => [name, dtype, shape]),
    [
      ["float32", "F32", [14]],
      ["float64", "F64", [8]],
      ["float16", "F16", [15]],
      ["bfloat16", "BF16", [16]],
      ["int64", "I64", [6]],
      ["int32", "I32", [5]],
    ],
  );
});

t.test("our own weights, and names that try to control the terminal", async (t) => {
  const weights = new URL("../../weights/emoji", import.meta.url).pathname;
  const own = await runCommand("inspect", ["--depth", "1", weights]);
  t.match(own.stdout, /emoji\/model\.safetensors: safetensors, 130 tensors/);
  t.match(own.stdout, "\nfits: captioner of this program; VQ-VAE of this program\n");

  const path = `${t.testdir()}/x.pt`;
  const root = new Map<Picklable, Picklable>([["a\u001b[2J\nb", tensorOf("0", 1, 0, [1], [1])]]);
  await writeFile(path, torchZip(root, { 0: floats(1) }));
  const { stdout } = await runCommand("inspect", [path]);
  t.match(stdout, "a\\u001b[2J\\u000ab  F32 [1]  4 B\n");
});

t.test("a failure is one sentence", async (t) => {
  const path = `${t.testdir()}/x.pt`;
  await writeFile(path, torchZip(new Map(), {}).subarray(0, 40));
  const { code, stdout, stderr } = await runCommand("inspect", [path]);
  t.same([code, stdout], [1, ""]);
  t.match(stderr, /^error: .*x\.pt is a damaged or incomplete zip archive: .*\n$/);
  t.equal((await runCommand("inspect", [])).code, 2);
  t.equal((await runCommand("inspect", ["--depth", "0", path])).code, 2);
});

t.test("models are recognised by all their tensors", async (t) => {
  for (const { name, tensors } of knownModels) {
    const shapes = new Map(
      Object.entries(tensors).map(([key, axes]) => [key, { shape: Array<number>(axes).fill(1) }]),
    );
    t.same(fitsOf(shapes), [{ model: name, prefix: "" }], name);
    const wrapped = new Map([...shapes].map(([key, tensor]) => [`module.${key}`, tensor]));
    t.same(fitsOf(wrapped), [{ model: name, prefix: "module." }], `${name}, wrapped`);
    for (const key of shapes.keys()) {
      const lacking = new Map(shapes);
      lacking.delete(key);
      t.same(fitsOf(lacking), [], `${name} without ${key}`);
      t.same(
        fitsOf(new Map(shapes).set(key, { shape: [1, 1, 1] })),
        [],
        `${name} with another shape of ${key}`,
      );
    }
  }
});

t.test("names of any form in a tree", async (t) => {
  const tensor = (name: string): ListedTensor => ({ name, dtype: "U8", shape: [2], size: 2, bytes: 2 });
  t.same(treeLines([tensor("a.b.c"), tensor("a.b"), tensor(""), tensor("."), tensor("x.y.z")]), [
    "a.b  U8 [2]  2 B",
    "a.b  1 tensor, 2 values, 2 B",
    "  c  U8 [2]  2 B",
    "  U8 [2]  2 B",
    "  1 tensor, 2 values, 2 B",
    "    U8 [2]  2 B",
    "x.y.z  U8 [2]  2 B",
  ]);
  const long = "a.".repeat(100_000);
  t.equal(treeLines([tensor(long), tensor(`${long}b`)]).length, 3);
});
