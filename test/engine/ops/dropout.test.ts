import { dropout } from "../../../dist/engine/ops/dropout.js";
import { replay } from "../../../dist/engine/ops/philox.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { randomArray, test } from "../../harness.js";

test("dropout keeps what the stream says, forward and backward", async (t, gpu) => {
  const rng = new Rng(gpu, 12345678901);
  rng.setStep(7);
  for (const [count, rate] of [
    [1, 0.5],
    [3, 0.1],
    [17, 0.9],
    [1001, 0.25],
  ] as const) {
    const stream = rng.position();
    const keep = replay(rng, stream).bernoulli(count, 1 - rate, 1 / (1 - rate));
    const data = randomArray(count, count);
    const dyData = randomArray(count + 1, count);
    const x = fromArray(gpu, data, [count]).requireGrad();
    const dy = fromArray(gpu, dyData, [count]);
    const y = gpu.scope(() => {
      const result = dropout(x, rate, rng);
      backwardFrom(result, dy);
      return result.detach();
    });
    t.near(
      await y.read(),
      data.map((value, i) => value * keep[i]!),
      { rel: 1e-6 },
      `forward, ${count} at ${rate}`,
    );
    t.near(
      await x.grad!.read(),
      dyData.map((value, i) => value * keep[i]!),
      { rel: 1e-6 },
      `backward, ${count} at ${rate}`,
    );
    t.equal(rng.position(), stream + 1, "one stream");
    // A second use of the leaf adds its own mask's gradient.
    const second = replay(rng, rng.position()).bernoulli(count, 1 - rate, 1 / (1 - rate));
    gpu.scope(() => backwardFrom(dropout(x, rate, rng), dy));
    const both = dyData.map((value, i) => value * (keep[i]! + second[i]!));
    t.near(await x.grad!.read(), both, { rel: 1e-6, abs: 1e-6 }, "accumulates");
  }
  rng.dispose();
});

test("dropout at rate 0 is the tensor itself; other steps and bad rates are refused", async (t, gpu) => {
  const rng = new Rng(gpu, 1);
  const x = fromArray(gpu, [1, 2], [2]).requireGrad();
  t.equal(dropout(x, 0, rng), x, "rate 0");
  t.equal(rng.position(), 0, "no stream taken");
  await t.throwsMessage(() => dropout(x, 1, rng), /at least 0 and below 1, not 1/, "rate 1");
  const y = dropout(x, 0.5, rng);
  rng.setStep(2);
  await t.throwsMessage(
    () => backwardFrom(y, fromArray(gpu, [1, 1], [2])),
    /changed in place/,
    "the step moved on",
  );
  rng.dispose();
});
