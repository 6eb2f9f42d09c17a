/** Waits on a device that tells late, made up: Firefox is not everywhere. Time is made up too: a busy machine changes nothing. */

import t, { type Test } from "tap";
import { promptWaits } from "../../dist/platform/prompt-waits.js";

Object.assign(globalThis, { GPUBufferUsage: { COPY_DST: 8 } });

/** A clock that stands still between calls of `wait`. */
class Clock {
  private now = 0;
  private timers: { at: number; run: () => void }[] = [];

  constructor(t: Test) {
    t.intercept(performance, "now", { value: () => this.now });
    t.intercept(globalThis, "setTimeout", {
      value: (run: () => void, milliseconds: number) =>
        void this.timers.push({ at: this.now + milliseconds, run }),
    });
  }

  /** Runs what is due within so many milliseconds, in order, and what hangs on promises after each. */
  async wait(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    for (;;) {
      await new Promise(setImmediate);
      const [next] = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers.splice(this.timers.indexOf(next), 1);
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }
}

/** A device that tells after so many milliseconds that work is done, one wait after the other. */
function deviceWith(
  clock: Clock,
  ...delays: number[]
): {
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
      onSubmittedWorkDone: () => clock.wait(delays.shift()!),
    },
  };
  return { device: device as unknown as GPUDevice, submitted, destroyed: () => destroyed };
}

t.test("a device that tells at once is left alone", async (t) => {
  const { device, destroyed } = deviceWith(new Clock(t), 19, 19);
  t.equal(await promptWaits(device), undefined);
  t.equal(destroyed(), 1, "nothing is left");
});

for (const delays of [[20], [1, 20]]) {
  t.test(
    `one that tells after ${delays.join(", then ")} ms is nudged while something is waited for`,
    async (t) => {
      const clock = new Clock(t);
      const { device, submitted } = deviceWith(clock, ...delays);
      const rest = (await promptWaits(device))!;
      t.type(rest, "function");
      const before = submitted.length;
      await clock.wait(20);
      t.equal(submitted.length, before, "not without a wait");
      let end = () => {};
      rest(new Promise<void>((resolve) => (end = resolve)));
      rest(Promise.reject(new Error("refused")));
      await clock.wait(60);
      const nudges = submitted.slice(before);
      t.equal(nudges.length, 30, "every 2 ms");
      t.ok(
        nudges.every((list) => list.length === 0),
        "with nothing",
      );
      end();
      await clock.wait(40);
      t.equal(submitted.length, before + 30, "none once it is over");
      rest(new Promise(() => {}));
      await clock.wait(10);
      t.equal(submitted.length, before + 35, "again for the next wait");
    },
  );
}
