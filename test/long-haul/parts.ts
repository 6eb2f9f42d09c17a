/** Long work of the kinds that a process may be kept for: training, captions, engines and devices that come and go, pages. */

import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { scale } from "../../dist/engine/ops/elementwise.js";
import { fromArray } from "../../dist/engine/tensor/tensor.js";
import { RunFolder } from "../../dist/io/run-folder.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { openInstances, openNodeDevice } from "../../dist/platform/node-adapter.js";
import { runStage } from "../../dist/training/loop.js";
import { launch } from "../browser/launch.js";
import { buildQuickSite, serve } from "../browser/site.js";
import { aliveOf } from "../garbage.js";
import { build, pictures } from "../tiny-captioner.js";
import { decoderTraining, tinyConfig } from "../training/setup.js";
import { engineCounts, type Part, sample } from "./samples.js";

export type OnProgress = (done: number, total: number) => void;

/** Five samples of `total` steps: from the first fifth on, when the work is warm. */
const isDue = (done: number, total: number) => done % Math.max(1, Math.floor(total / 5)) === 0;

async function withEngine<T>(body: (gpu: Gpu) => Promise<T>): Promise<T> {
  const opened = await openNodeDevice();
  const gpu = Gpu.from(opened.device, opened);
  try {
    return await body(gpu);
  } finally {
    gpu.dispose();
    opened.device.destroy();
  }
}

/** Steps of a tiny decoder by the real loop, with its log and its checkpoints. */
export function trainingSteps(steps: number, onProgress: OnProgress = () => {}): Promise<Part> {
  return withEngine(async (gpu) => {
    const part: Part = { name: "training", unit: "steps", samples: [] };
    const folder = mkdtempSync(join(tmpdir(), "mcd-long-"));
    try {
      const every = Math.max(1, Math.floor(steps / 10));
      const config = tinyConfig(`decoder.steps=${steps}`, `log.checkpointEvery=${every}`);
      const tiny = decoderTraining(gpu, config);
      await runStage(tiny.trainer, {
        platform: nodePlatform,
        run: await RunFolder.create(nodePlatform.files, folder, {}),
        seed: 1,
        log: config.log,
        progress: { update() {}, setTotal() {}, log() {}, warn() {}, stop() {} },
        interrupted: () => false,
        resume: false,
        async onStep({ step }) {
          if (!isDue(step, steps)) return;
          onProgress(step, steps);
          part.samples.push(await sample(step, engineCounts(gpu)));
        },
      });
      tiny.dispose();
    } finally {
      rmSync(folder, { recursive: true });
    }
    return part;
  });
}

/** Captions of a tiny captioner, one by one as a page makes them and eight at a time as a command does. */
export function captions(count: number, onProgress: OnProgress = () => {}): Promise<Part> {
  return withEngine(async (gpu) => {
    const part: Part = { name: "captions", unit: "captions", samples: [] };
    const captioner = build(gpu);
    const size = 16;
    const all = pictures(8);
    for (let done = 0; done < count; ) {
      const i = (done / 10) % 8;
      const rgb = all.subarray(i * 768, (i + 1) * 768);
      const data = new Uint8ClampedArray(4 * size * size).fill(255);
      for (let pixel = 0; pixel < size * size; pixel++)
        data.set(rgb.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
      const guidance = { method: "cfg", scale: 1.5 } as const;
      for (const attention of [true, false])
        await captioner.caption({ width: size, height: size, data }, { seed: done, guidance, attention });
      await captioner.captionAll(all, { seed: done });
      done += 10;
      if (!isDue(done, count)) continue;
      onProgress(done, count);
      part.samples.push(await sample(done, engineCounts(gpu)));
    }
    captioner.dispose();
    return part;
  });
}

async function work(gpu: Gpu): Promise<void> {
  const x = fromArray(gpu, [1, 2], [2]);
  const y = scale(x, 3);
  await y.read();
  x.dispose();
  y.dispose();
}

/** Engines that are made on one device, used and disposed of. */
export async function engines(count: number, onProgress: OnProgress = () => {}): Promise<Part> {
  const part: Part = { name: "engines on one device", unit: "engines", samples: [] };
  const { device } = await openNodeDevice();
  let listeners = 0;
  const listen = device.addEventListener.bind(device);
  Object.assign(device, {
    addEventListener: (...rest: Parameters<typeof listen>) => {
      listeners++;
      listen(...rest);
    },
  });
  const refs: WeakRef<object>[] = [];
  const cycle = async () => {
    const gpu = Gpu.from(device);
    await work(gpu);
    refs.push(new WeakRef<object>(gpu));
    gpu.dispose();
  };
  for (let done = 1; done <= count; done++) {
    await cycle();
    if (!isDue(done, count)) continue;
    onProgress(done, count);
    // The last one may still lie in a register.
    const alive = await aliveOf(refs.slice(0, -1));
    part.samples.push(await sample(done, { "engines alive": alive, listeners }));
  }
  device.destroy();
  return part;
}

/** Devices that are opened, used and destroyed. */
export async function devices(count: number, onProgress: OnProgress = () => {}): Promise<Part> {
  const part: Part = { name: "devices", unit: "devices", samples: [] };
  const refs: WeakRef<object>[] = [];
  const cycle = async () => {
    const { device, adapter } = await openNodeDevice();
    const gpu = Gpu.from(device);
    await work(gpu);
    gpu.dispose();
    device.destroy();
    await device.lost;
    for (const object of [device, adapter, gpu]) refs.push(new WeakRef<object>(object));
  };
  for (let done = 1; done <= count; done++) {
    await cycle();
    if (!isDue(done, count)) continue;
    onProgress(done, count);
    const alive = await aliveOf(refs.slice(0, -3));
    part.samples.push(
      await sample(done, { "devices, adapters and engines alive": alive, instances: openInstances() }),
    );
  }
  return part;
}

/** Files of a folder that this process, which is the server too, holds open. */
function openFiles(folder: string): number {
  return readdirSync("/proc/self/fd").filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).startsWith(folder);
    } catch {
      return false; // of the listing itself
    }
  }).length;
}

/** The demo page, loaded again and again in one tab: what the page keeps, and what its server holds open. */
export async function pageLoads(count: number, onProgress: OnProgress = () => {}): Promise<Part> {
  const part: Part = { name: "page loads", unit: "loads", samples: [] };
  const folder = mkdtempSync(join(tmpdir(), "mcd-pages-"));
  const browser = await launch();
  try {
    await buildQuickSite(folder, 2);
    const site = await serve(folder, 0);
    const page = await browser.browser.newPage();
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable");
    for (let done = 1; done <= count; done++) {
      await page.goto(site.url);
      await page.locator('#panel-caption .denoising[data-finished="1"]').waitFor({ timeout: 400_000 });
      if (!isDue(done, count)) continue;
      onProgress(done, count);
      for (let round = 0; round < 3; round++) await session.send("HeapProfiler.collectGarbage");
      const { metrics } = await session.send("Performance.getMetrics");
      const metric = (name: string) => metrics.find((entry) => entry.name === name)!.value;
      part.samples.push({
        done,
        counts: {
          documents: metric("Documents"),
          frames: metric("Frames"),
          "open files": openFiles(folder),
        },
        heap: metric("JSHeapUsedSize"),
        process: process.memoryUsage.rss(),
      });
    }
    await site.close();
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return part;
}
