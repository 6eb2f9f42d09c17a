/** Performs one phase, in the process or worker that was started for it. */

import { DeviceLostError, GpuError } from "../../dist/engine/gpu/errors.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { UserError } from "../../dist/platform/errors.js";
import type { Context, Host, Order, Outcome, RunPhase } from "./phase.js";
import type { PhaseName } from "./plan.js";
import { type Submissions, watchSubmissions } from "./submissions.js";

/** Each is loaded when it is its turn: a page's worker downloads no other. */
const runs: Readonly<Record<PhaseName, () => Promise<RunPhase>>> = {
  adapter: async () => (await import("./adapter.js")).adapter,
  kernels: async () => (await import("./kernels.js")).kernels,
  races: async () => (await import("./races.js")).races,
  determinism: async () => (await import("./determinism.js")).determinism,
  training: async () => (await import("./training.js")).training,
  float16: async () => (await import("./float16.js")).float16,
  "paper-scale": async () => (await import("./paper-scale.js")).paperScale,
  bench: async () => (await import("./bench.js")).bench,
  tuning: async () => (await import("./tuning.js")).tuning,
};

/** The path of an adapter's driver, which is the machine's own and in no report. */
const ofTheMachine = / \(driver .*\)$/;
/** Where the project lies on the machine, up to its own folders. */
const folders = /(file|https?):\/\/\S*\/(?=(dist|dist-test|src|test|kernels-bench)\/)/g;
/** Kernels that a sentence names. */
const named = 12;

/** Runs the phase. What goes wrong in it is its outcome: nothing is thrown. */
export async function perform(order: Order, host: Host, run?: RunPhase): Promise<Outcome> {
  const until = performance.now() + 1000 * order.seconds;
  let lost: GPUDeviceLostInfo | null = null;
  let submissions: Submissions | null = null;
  const opened: GPUDevice[] = [];
  const open = async () => {
    const found = await host.open();
    const { device } = found;
    opened.push(device);
    submissions ??= watchSubmissions((kernels) => host.say({ type: "submitted", kernels }));
    device.lost.then((info) => {
      // Ones that the phase itself destroys are not lost to it.
      if (info.reason !== "destroyed") lost ??= info;
    });
    return found;
  };
  const lossText = () => {
    const kernels = submissions?.unfinished() ?? [];
    const more = kernels.length > named ? ` and ${kernels.length - named} more` : "";
    const at =
      kernels.length > 0
        ? ` while it ran ${kernels.slice(0, named).join(", ")}${more}`
        : " while none of the engine's kernels ran";
    return `The device was lost${at}${lost?.message ? ` (${lost.message.trim()})` : ""}.`;
  };
  const context: Context = {
    host,
    order,
    until,
    over: () => performance.now() >= until,
    async device() {
      return (await open()).device;
    },
    async gpu({ untuned = false } = {}) {
      const { device, description, software, rest } = await open();
      return Gpu.from(device, {
        ...(description === undefined ? {} : { description: description.replace(ofTheMachine, "") }),
        ...(software === undefined ? {} : { software }),
        ...(rest ? { rest } : {}),
        ...(untuned ? { tuning: null } : {}),
      });
    },
    progress: (share, text) => host.say({ type: "progress", share, text }),
    throwIfLost() {
      if (lost) throw new DeviceLostError(lost.reason, lost.message);
    },
  };
  try {
    return await (run ?? (await runs[order.phase]()))(context);
  } catch (error) {
    // The loss is told to the device's listeners in a task of its own.
    await new Promise((resolve) => setTimeout(resolve));
    const message = error instanceof Error ? error.message : String(error);
    const isLoss = lost !== null || error instanceof DeviceLostError;
    const known = error instanceof GpuError || error instanceof UserError;
    const stack = error instanceof Error && !known ? (error.stack ?? "").replaceAll(folders, "") : "";
    return {
      problems: [
        isLoss ? lossText() : known ? message : `${message} ${stack.split("\n")[1]?.trim() ?? ""}`.trim(),
      ],
      cut: [],
      facts: {},
      tables: [],
    };
  } finally {
    (submissions as Submissions | null)?.restore();
    for (const device of opened) device.destroy();
  }
}
