/** Waits on a device that tells late, made up: Firefox is not everywhere. */

import t from "tap";
import { promptWaits } from "../../dist/platform/prompt-waits.js";

const wait = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
Object.assign(globalThis, { GPUBufferUsage: { COPY_DST: 8 } });

/** A device that tells after so many milliseconds that work is done, one wait after the other. */
function deviceWith(...delays: number[]): {
  device: GPUDevice;
  submitted: unknown[][];
  destroyed: () => number;
} {
  const submitted: unknown[][] = [];
  let destroyed = 0;
  const device = {
    createBuffer: () => ({ destroy: () => destroyed++ }),
    createCommandEncoder: () => ({ clearBuffer() {}, finish: () => "work" }),
    queue: {
      submit: (list: unknown[]) => submitted.push(list),
      onSubmittedWorkDone: () => wait(delays.shift()!),
    },
  };
  return { device: device as unknown as GPUDevice, submitted, destroyed: () => destroyed };
}

t.test("a device that tells at once is left alone", async (t) => {
  const { device, destroyed } = deviceWith(1, 1);
  t.equal(await promptWaits(device), undefined);
  t.equal(destroyed(), 1, "nothing is left");
});

for (const delays of [[60], [1, 60]]) {
  t.test(
    `one that tells after ${delays.join(", then ")} ms is nudged while something is waited for`,
    async (t) => {
      const { device, submitted } = deviceWith(...delays);
      const rest = (await promptWaits(device))!;
      t.type(rest, "function");
      const before = submitted.length;
      await wait(20);
      t.equal(submitted.length, before, "not without a wait");
      let end = () => {};
      rest(new Promise<void>((resolve) => (end = resolve)));
      rest(Promise.reject(new Error("refused")));
      await wait(60);
      const nudges = submitted.slice(before);
      t.ok(
        nudges.length >= 3 && nudges.every((list) => list.length === 0),
        `${nudges.length} empty submissions`,
      );
      end();
      await wait(20);
      const after = submitted.length;
      await wait(40);
      t.equal(submitted.length, after, "none once it is over");
      rest(wait(40));
      await wait(30);
      t.ok(submitted.length > after, "again for the next wait");
    },
  );
}
