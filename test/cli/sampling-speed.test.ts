import t from "tap";
import { SamplingMeter, speedText } from "../../dist/cli/sampling-speed.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { matmul } from "../../dist/engine/ops/matmul.js";
import { zeros } from "../../dist/engine/tensor/tensor.js";
import { freshDevice } from "../device.js";

t.test("sampling is measured in captions, time and operations, beside the FMA ceiling", async (t) => {
  const device = await freshDevice();
  const gpu = Gpu.from(device);
  const meter = new SamplingMeter(gpu);
  t.equal(meter.speed(), null, "nothing measured yet");
  const product = async (rows: number) => {
    const c = gpu.scope(() => matmul(zeros(gpu, [rows, 64]), zeros(gpu, [64, 32])));
    return c.read().finally(() => c.dispose());
  };
  let seen = 0;
  const observer = { dispatch: () => void seen++ };
  gpu.observer = observer;
  t.equal(
    await meter.measure(3, async () => (await product(128)).length),
    128 * 32,
    "the result passes through",
  );
  t.equal(gpu.observer, observer, "the device's observer comes back");
  await product(256);
  t.ok(seen > 0, "and sees what is not sampling");
  gpu.observer = null;
  await meter.measure(2, () => product(64));
  const { captions, seconds, operations, shareOfFma } = meter.speed()!;
  t.equal(captions, 5);
  t.equal(operations, 2 * (128 + 64) * 64 * 32, "of both samplings, and of nothing beside them");
  t.ok(seconds > 0 && shareOfFma > 0 && shareOfFma < 1, `${shareOfFma} of the ceiling`);
  await t.rejects(
    meter.measure(9, () => Promise.reject(new Error("lost"))),
    /lost/,
    "what fails is not counted",
  );
  t.equal(meter.speed()!.captions, 5);
  gpu.dispose();
  device.destroy();
});

t.test("the line that evaluate.js prints", (t) => {
  t.equal(
    speedText({ captions: 40, seconds: 8, operations: 40 * 0.82e9, shareOfFma: 0.314 }),
    "sampling: 40 captions, 5.0 a second, 200 ms each; products and attention: 0.82 GFLOP a caption, 31 % of the FMA ceiling",
  );
  t.end();
});
