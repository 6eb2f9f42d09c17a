/** The order of invocations in subgroups is found out by a kernel; where it is another one, only portable kernels run. */
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { matmul } from "../../dist/engine/ops/matmul.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { unorderedSubgroups } from "../../dist/platform/adapter-info.js";
import { probe, source, subgroupsInOrder } from "../../dist/platform/subgroup-layout.js";
import { freshDevice } from "../device.js";
import { randomArray, test } from "../harness.js";

test("the usual order, and others", async (t) => {
  const device = await freshDevice();
  if (!device.features.has("subgroups")) {
    t.comment("this device lacks the feature subgroups");
    return device.destroy();
  }
  t.equal(await subgroupsInOrder(device), true, "lanes are in order here");
  const team = device.adapterInfo.subgroupMinSize >= 8 ? 8 : 4;
  // As if the invocations came in another order.
  for (const other of ["(index ^ 1u)", "(index / 2u + index % 2u * (SIZE / 2u))", "(SIZE - 1u - index)"]) {
    const code = source.replace("let own = index % TEAM", `let odd = ${other}; let own = odd % TEAM`);
    t.ok(code !== source && !(await probe(device, code, team)), `${other} is noticed`);
  }
  t.equal(await probe(device, "no shader at all", team), false, "as is a kernel that the device refuses");
  device.destroy();
});

test("without that order portable kernels compute the same", async (t) => {
  const device = await freshDevice();
  const x = randomArray(1, 64 * 32);
  const weight = randomArray(2, 32 * 48);
  const product = async () => {
    const gpu = Gpu.from(device);
    const kernels = new Set<string>();
    gpu.observer = { dispatch: ({ pipeline }) => kernels.add(pipeline.kernel.spec.name) };
    const y = await matmul(fromArray(gpu, x, [64, 32]), fromArray(gpu, weight, [32, 48])).read();
    const { teamLanes } = gpu;
    gpu.dispose();
    return { y, teamLanes, kernels: [...kernels] };
  };
  const usual = await product();
  unorderedSubgroups.add(device);
  const portable = await product();
  t.equal(portable.teamLanes, 0, "no team of lanes");
  t.same(
    portable.kernels.filter((name) => /subgroup|registers/.test(name)),
    [],
    `${usual.kernels.join(", ")} without that, ${portable.kernels.join(", ")} with it`,
  );
  t.near(portable.y, usual.y, { abs: 1e-5, rel: 1e-5 }, "the same result");
  device.destroy();
});
