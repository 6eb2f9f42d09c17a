/**
 * Profiled steps in the Trace Event Format, which chrome://tracing and ui.perfetto.dev open: a process for each stage,
 * an event for each dispatch, the memory in use as a counter.
 */

import { at } from "./numbers.js";

/**
 * @typedef {import("./step.js").StepProfile} StepProfile
 */

/** @param {{ date: string, adapter: string, preset: string, steps: readonly StepProfile[] }} report */
export function traceOf({ date, adapter, preset, steps }) {
  return {
    traceEvents: steps.flatMap((step, i) => stageEvents(step, i + 1)),
    displayTimeUnit: "ms",
    otherData: { date, adapter, preset },
  };
}

/**
 * @param {StepProfile} step
 * @param {number} pid
 */
function stageEvents({ stage, shape, timeline, memory }, pid) {
  const common = { pid, tid: 1 };
  /** @type {object[]} */
  const events = [
    { ...common, ph: "M", name: "process_name", args: { name: `${stage} step: ${shape}` } },
    { ...common, ph: "M", name: "thread_name", args: { name: "dispatches" } },
  ];
  (timeline ?? []).forEach(({ begin, us }, i) => {
    const { kernel, groups, bytes } = at(memory.dispatches, i);
    const labels = Object.fromEntries(memory.byLabel.map((curve) => [curve.label, curve.bytes[i]]));
    events.push(
      {
        ...common,
        ph: "X",
        name: kernel,
        cat: kernel.split(".")[0],
        ts: begin,
        dur: us,
        args: { dispatch: i, groups: groups.join("×"), bytes },
      },
      { ...common, ph: "C", name: "memory in use", ts: begin, args: labels },
    );
  });
  return events;
}
