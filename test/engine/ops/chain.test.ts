/** Ops as methods. */

import "../../../dist/chain.js";
import { fromArray, Tensor } from "../../../dist/engine/tensor/tensor.js";
import * as ops from "../../../dist/ops.js";
import { randomArray, test } from "../../harness.js";

test("a chain is the functions one after the other", async (t, gpu) => {
  const data = randomArray(1, 15);
  const x = fromArray(gpu, data, [3, 5], "f32", "x").requireGrad();
  const y = fromArray(gpu, data, [3, 5], "f32", "y").requireGrad();
  const chained = x.mul(2).add(1).softmax(0).pow(2).sum();
  const nested = ops.pow(ops.softmax(ops.add(ops.mul(y, 2), 1), 0), 2);
  t.equal(await chained.item(), await nested.sum().item(), "values");
  chained.backward();
  nested.sum().backward();
  t.same(await x.grad!.read(), await y.grad!.read(), "and gradients");
});

test("every method hands its arguments on", async (t, gpu) => {
  const x = fromArray(gpu, [4, 1, 3, 2], [2, 2]);
  const ids = fromArray(gpu, [1, 0], [2], "u32");
  const read = async (tensor: Tensor | Tensor<"u32">) => [...(await tensor.read())];
  t.same(await read(x.topK(1).indices), [0, 0], "topK");
  t.same(await read(x.permute([1, 0]).argmin()), [1, 0], "permute, argmin");
  t.same(await read(x.take(ids, 1)), [1, 4, 2, 3], "take");
  t.same(await read(x.cumsum(0, { exclusive: true })), [0, 0, 4, 1], "cumsum");
  t.same(await read(x.gt(2).neg()), [-1, -0, -1, -0], "gt, neg");
  t.same(await read(x.sum([0], { keepDims: true }).squeeze(0)), [7, 3], "sum, squeeze");
  t.same(await read(ids.oneHot(2)), [0, 1, 1, 0], "oneHot");
  t.same((await Promise.all(x.split(2, 1).map(read))).flat(), [4, 3, 1, 2], "split");
  t.same(await read(x.matmul(x, { transposeB: true })), [17, 14, 14, 13], "matmul");
  t.equal(await x.allclose(x.add(1e-7)), true, "allclose");
  t.equal(`${x}`, "f32 [2, 2] tensor", "toString");
  t.ok((await x.format({ digits: 2 })).endsWith("[[4 1]\n [3 2]]"), "format");
});

test("methods take no name that a tensor has, and no loop sees them", (t, gpu) => {
  const x = fromArray(gpu, [1], [1]);
  t.equal(x.contiguous, true, "contiguous is what it was");
  t.same(Object.keys(Tensor.prototype), [], "nothing is enumerable");
});
