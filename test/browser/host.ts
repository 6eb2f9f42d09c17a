/**
 * A page as the host of tests: keeps what they find for the Node side, which asks for one test at a time
 * (`pages.ts`), and takes devices from `navigator.gpu`. See `host-node.ts` for its counterpart.
 */

import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { adapterName, isSoftware } from "../../dist/platform/adapter-info.js";
import { browserPlatform } from "../../dist/platform/browser.js";
import { openDevice } from "../../dist/platform/device.js";
import type { Platform } from "../../dist/platform/platform.js";
import { promptWaits } from "../../dist/platform/prompt-waits.js";
import type { Assertions } from "../harness.js";

/** One line of a test's result: an assertion, or a comment. */
export type Finding = { ok: boolean; message: string; detail?: string } | { comment: string };

/** A test of a page. `module` is the file that declares it, where a page has several, else "". */
export interface PageTest {
  index: number;
  name: string;
  module: string;
}

/** What the Node side finds in the page as `mcdTests`. */
export interface PageTests {
  all: PageTest[];
  run(index: number): Promise<Finding[]>;
  /** The name of the adapter. */
  adapter(): Promise<string>;
}

export const platform: Platform = browserPlatform;

declare global {
  /** The module of tests that the page is loading; see `bundle.ts`. */
  var mcdModule: string | undefined;
  /** Opens the devices of the tests where that is not by `navigator.gpu`. */
  var mcdOpenDevice: (() => Promise<GPUDevice>) | undefined;
}

const bodies: ((t: Assertions) => Promise<void>)[] = [];
const tests: PageTests = {
  all: [],
  async run(index) {
    const findings: Finding[] = [];
    try {
      await bodies[index]!(record(findings));
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      findings.push({ ok: false, message: "the test does not throw", detail });
    }
    // GPU errors reach the console in a task of their own (`watch`): they belong to this test, not to the next one.
    await new Promise((resolve) => setTimeout(resolve));
    return findings;
  },
  async adapter() {
    const { device } = await sharedGpu();
    const name = adapterName(device.adapterInfo);
    return isSoftware(device.adapterInfo) ? `${name}, software` : name;
  },
};
Object.assign(globalThis, { mcdTests: tests });

/** Registers a test. */
export function declare(name: string, body: (t: Assertions) => Promise<void>): void {
  tests.all.push({ index: bodies.length, name, module: globalThis.mcdModule ?? "" });
  bodies.push(body);
}

function record(findings: Finding[]): Assertions {
  const compared = (ok: boolean, actual: unknown, expected: unknown, message: string) => {
    findings.push(
      ok ? { ok, message } : { ok, message, detail: `found ${show(actual)}, wanted ${show(expected)}` },
    );
  };
  return {
    ok: (condition, message) => findings.push({ ok: Boolean(condition), message }),
    equal: (actual, expected, message) => compared(Object.is(actual, expected), actual, expected, message),
    same: (actual, expected, message) => compared(alike(actual, expected), actual, expected, message),
    comment: (text) => findings.push({ comment: text }),
  };
}

function show(value: unknown): string {
  return `${JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part))}`.slice(
    0,
    2000,
  );
}

/** Deep equality of plain data: the same keys with the same values, of the same kind of object; 0 is -0. */
function alike(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null)
    return a === b || Object.is(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const [left, right] = [a, b].map((part) => (part instanceof Map ? Object.fromEntries(part) : part)) as [
    Record<string, unknown>,
    Record<string, unknown>,
  ];
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => key in right && alike(left[key], right[key]))
  );
}

/** Whatever goes wrong on a device outside the engine's own checks reaches the console. */
function watch(device: GPUDevice): GPUDevice {
  device.addEventListener("uncapturederror", (event) => {
    // Listeners that come later may still say that the error is theirs. In wgpu the event cannot be cancelled.
    let claimed = false;
    const prevent = event.preventDefault.bind(event);
    event.preventDefault = () => {
      claimed = true;
      prevent();
    };
    setTimeout(() => {
      if (!claimed) console.error(`uncaptured: ${event.error.message}`);
    });
  });
  device.lost.then(({ reason, message }) => {
    if (reason !== "destroyed") console.error(`the device was lost: ${reason} ${message}`);
  });
  return device;
}

let shared: Promise<Gpu> | null = null;

/** The device that the tests of a page share. */
export function sharedGpu(): Promise<Gpu> {
  shared ??= open();
  return shared;
}

async function open(): Promise<Gpu> {
  const device = await freshDevice();
  const rest = await promptWaits(device);
  return Gpu.from(device, rest ? { rest } : {});
}

/** A device of its own, for tests that lose or break it. */
export async function freshDevice(): Promise<GPUDevice> {
  return watch(await (globalThis.mcdOpenDevice ?? openDevice)());
}

/**
 * A device if the browser's adapter is the one named, else null: a page cannot choose. Firefox withholds names; its software
 * adapter is lavapipe.
 */
export async function deviceOf(name: string): Promise<GPUDevice | null> {
  const device = await freshDevice();
  const { vendor, architecture, description } = device.adapterInfo;
  const found = `${vendor} ${architecture} ${description}`.toLowerCase();
  const wanted = name === "lavapipe" ? /llvmpipe|^\s*$/ : new RegExp(name);
  if (isSoftware(device.adapterInfo) && wanted.test(found)) return device;
  device.destroy();
  return null;
}

/** A device with the limits that every WebGPU device has, and no more. A page cannot choose by name, as Node can. */
export async function plainDevice(name?: string): Promise<GPUDevice> {
  if (name !== undefined) throw new Error(`a page cannot open the adapter ${name}`);
  const full = await freshDevice();
  const requiredFeatures = [...full.features] as GPUFeatureName[];
  full.destroy();
  // An adapter gives one device only.
  const adapter = await navigator.gpu.requestAdapter();
  if (adapter === null) throw new Error("navigator.gpu gives no adapter");
  return watch(await adapter.requestDevice({ requiredFeatures }));
}
