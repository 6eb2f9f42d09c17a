/** Which variant of a kernel runs, for every choice and number of lanes, on a device that computes nothing. */

import t, { type Test } from "tap";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import * as choices from "../../../dist/engine/gpu/tuning/choices.js";
import { selfAttention } from "../../../dist/engine/ops/attention.js";
import { conv2d } from "../../../dist/engine/ops/conv2d.js";
import { matmul } from "../../../dist/engine/ops/matmul.js";
import { pick, type Variant } from "../../../dist/engine/ops/variants.js";
import { backwardFrom } from "../../../dist/engine/tensor/autograd.js";
import { empty } from "../../../dist/engine/tensor/tensor.js";
import { nearestCodes } from "../../../dist/models/vqvae/codebook.js";
import { deviceOf } from "../../host-node.js";

interface Machine {
  lanes: number;
  software?: boolean;
  mostGroups?: number;
}

/** The kernels that `body` runs on such a machine. */
async function kernelsOf(t: Test, machine: Machine, body: (gpu: Gpu) => void): Promise<string[]> {
  const device = (await deviceOf("null"))!;
  const gpu = Gpu.from(device, { software: machine.software ?? true });
  t.teardown(() => gpu.dispose());
  const { limits } = gpu;
  const most = machine.mostGroups ?? limits.maxComputeWorkgroupsPerDimension;
  Object.defineProperties(gpu, {
    certainLanes: { value: machine.lanes },
    limits: {
      value: new Proxy(limits, {
        get: (_, name) =>
          name === "maxComputeWorkgroupsPerDimension" ? most : limits[name as "maxBufferSize"],
      }),
    },
  });
  const names: string[] = [];
  gpu.observer = { dispatch: ({ pipeline }) => names.push(pipeline.kernel.spec.name) };
  gpu.scope(() => body(gpu));
  gpu.observer = null;
  return names;
}

t.test("the first row from the chosen one on that applies", async (t) => {
  const row = (name: string, least: number): Variant<number> => ({
    name,
    applies: (_, size) => size >= least,
  });
  const table = [row("a", 3), row("b", 2), row("b", 1), row("c", 0)];
  const found = (chosen: string) =>
    [0, 1, 2, 3].map((size) => table.indexOf(pick(table, chosen, {} as Gpu, size)));
  t.same(found("a"), [3, 2, 1, 0]);
  t.same(found("b"), [3, 2, 1, 1]);
  t.same(found("c"), [3, 3, 3, 3]);
});

/** For 0, 4 and 8 lanes. */
const expected = {
  subgroup: ["portable", "registers", "subgroup"],
  registers: ["portable", "registers", "registers"],
  portable: ["portable", "portable", "portable"],
} as const;
const files = { portable: "attention", registers: "attention-registers", subgroup: "attention-subgroup" };

t.test("attention: shuffles need eight lanes, registers four", async (t) => {
  const attend = (gpu: Gpu, batches: number) => {
    const qkv = empty(gpu, [batches, 3, 24]).requireGrad();
    const { output } = selfAttention(qkv, 2);
    backwardFrom(output, empty(gpu, output.shape));
  };
  const entries = {
    portable: ["forward", "backward_query", "backward_key_value"],
    registers: ["forward", "backward"],
    subgroup: ["forward", "backward"],
  };
  for (const KERNEL of ["subgroup", "registers", "portable"] as const) {
    for (const [i, lanes] of [0, 4, 8].entries()) {
      const ran = await kernelsOf(t, { lanes }, (gpu) => {
        gpu.tuning.set(choices.attentionForward, { KERNEL });
        gpu.tuning.set(choices.attentionBackward, { KERNEL });
        attend(gpu, 2);
      });
      const which = expected[KERNEL][i]!;
      t.same(
        ran,
        entries[which].map((entry) => `${files[which]}.${entry}`),
        `${KERNEL} with ${lanes} lanes`,
      );
    }
  }
  // Its grid has heads and batches as dimensions of their own.
  for (const [batches, file] of [
    [5, "attention-subgroup"],
    [6, "attention-registers"],
  ] as const) {
    const ran = await kernelsOf(t, { lanes: 8, mostGroups: 5 }, (gpu) => attend(gpu, batches));
    t.equal(ran[0], `${file}.forward`, `${batches} batches where a dimension holds 5 workgroups`);
  }
});

t.test(
  "products: the subgroup kernel needs eight lanes, registers four; vectors where four divides n",
  async (t) => {
    const names = { portable: "matmul", registers: "matmul-registers", subgroup: "matmul-subgroup" };
    for (const [chosen, KERNEL] of [
      ["subgroup", "subgroup"],
      ["registers", "registers"],
      ["portable", "workgroup"],
    ] as const) {
      for (const [i, lanes] of [0, 4, 8].entries()) {
        const ran = await kernelsOf(t, { lanes }, (gpu) => {
          gpu.tuning.set(choices.matmul, { KERNEL });
          matmul(empty(gpu, [5, 3]), empty(gpu, [3, 7]));
          matmul(empty(gpu, [5, 3]), empty(gpu, [3, 8]));
        });
        const which = expected[chosen][i]!;
        const vectors = which === "portable" ? "product" : "product_vectors";
        t.same(
          ran,
          [`${names[which]}.product`, `${names[which]}.${vectors}`],
          `${KERNEL} with ${lanes} lanes`,
        );
      }
    }
  },
);

t.test(
  "convolutions: teams of four lanes compute in registers on software adapters; four divides the channels",
  async (t) => {
    const convolve = (KERNEL: "subgroup" | "portable", channels: number) => (gpu: Gpu) => {
      gpu.tuning.set(choices.conv2d, { KERNEL });
      const x = empty(gpu, [1, 5, 5, channels]).requireGrad();
      const y = conv2d(x, empty(gpu, [3, 3, channels, 8]).requireGrad());
      backwardFrom(y, empty(gpu, y.shape));
    };
    const entries = ["forward", "backward_input", "backward_weight"];
    const portable = entries.map((entry) => `conv2d.${entry}`);
    const subgroups = entries.map((entry) => `conv2d-subgroups.${entry}`);
    const registers = ["gather", "gather", "backward_weight"].map((entry) => `conv2d-registers.${entry}`);
    for (const [lanes, software, ran] of [
      [0, true, portable],
      [4, true, registers],
      [4, false, subgroups],
      [8, true, subgroups],
      [8, false, subgroups],
    ] as const) {
      const on = `${lanes} lanes, ${software ? "software" : "a GPU"}`;
      const found = (body: (gpu: Gpu) => void) => kernelsOf(t, { lanes, software }, body);
      t.same((await found(convolve("subgroup", 4))).slice(0, 3), ran, on);
      t.same((await found(convolve("subgroup", 6))).slice(0, 3), portable, `${on}, 6 channels`);
      t.same((await found(convolve("portable", 4))).slice(0, 3), portable, `${on}, by choice`);
    }
  },
);

t.test("nearest codes: by subgroups where there are any", async (t) => {
  for (const KERNEL of ["subgroup", "portable"] as const) {
    for (const lanes of [0, 4, 8]) {
      const [, search] = await kernelsOf(t, { lanes }, (gpu) => {
        gpu.tuning.set(choices.nearestCodes, { KERNEL });
        nearestCodes(empty(gpu, [9, 8]), empty(gpu, [32, 8]));
      });
      const file = lanes && KERNEL === "subgroup" ? "codebook-subgroups" : "codebook";
      t.equal(search, `${file}.nearest`, `${KERNEL} with ${lanes} lanes`);
    }
  }
});
