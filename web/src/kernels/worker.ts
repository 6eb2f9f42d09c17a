/** The worker that measures kernels: runs kernels-bench/ by wall-clock time, as browsers do not report processor time. */

import { UserError } from "../../../dist/index.js";
import { chosen, parseSizes, sizesRule } from "../../../kernels-bench/cases.js";
import { ceilings } from "../../../kernels-bench/ceilings.js";
import copy from "../../../kernels-bench/copy.wgsl";
import { check, measure } from "../../../kernels-bench/measure.js";
import { reportOf } from "../../../kernels-bench/report.js";
import fma from "../../../shaders/common/fma.wgsl";
import { openGpu } from "../gpu.js";
import type { News, Order, Report } from "./messages.js";

const send = (news: News) => postMessage(news);
const progress = (text: string) => send({ type: "progress", text });
let running: AbortController | null = null;

async function bench(order: Extract<Order, { type: "measure" }>, signal: AbortSignal): Promise<Report> {
  const began = performance.now();
  const sizes = parseSizes(order.sizes);
  if (sizes === null) throw new UserError(sizesRule.replace(/^It/, "Sizes"));
  const selected = chosen(order.filter, sizes);
  if (selected.length === 0) throw new UserError(`no case of these sizes has "${order.filter}" in its name`);
  const gpu = await openGpu();
  try {
    // The ceilings come first; every round measures them too.
    const limits = ceilings({ fma, copy });
    const results = await measure(gpu, [...limits, ...selected], { progress, signal });
    if (order.check) {
      for (const [i, entry] of selected.entries()) {
        signal.throwIfAborted();
        progress(`checking ${i + 1} of ${selected.length}: ${entry.name}`);
        results[limits.length + i]!.check = await check(gpu, entry);
      }
    }
    return reportOf(results, {
      date: new Date().toISOString(),
      adapter: gpu.description,
      software: gpu.software,
      platform: navigator.userAgent,
      sizes: order.sizes,
      seconds: (performance.now() - began) / 1000,
      cpuSeconds: null,
    });
  } finally {
    // Frees all allocations, also after an error.
    gpu.device.destroy();
  }
}

async function obey(order: Order): Promise<void> {
  if (order.type === "cancel") {
    running?.abort();
    return;
  }
  const abort = new AbortController();
  running = abort;
  try {
    send({ type: "report", report: await bench(order, abort.signal) });
  } catch (error) {
    if (abort.signal.aborted) send({ type: "cancelled" });
    else send({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  } finally {
    running = null;
  }
}

addEventListener("message", (event: MessageEvent<Order>) => void obey(event.data));
