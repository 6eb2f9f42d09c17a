/**
 * Faults that come from inside a process: loaded before a command by `node --import`, told by MCD_TORTURE what to do. A full disk
 * needs no root this way, and a lost device no driver that fails.
 */

import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { globals } from "webgpu";

export interface Injected {
  /** The device is lost after these submissions, counted over all devices of the process. */
  loseAfterSubmits?: number[];
  /** Writes fail once so many bytes were written, and making folders too. */
  diskBytes?: number;
  /** A file for `Counted`: how much there is of each in the whole process. */
  countInto?: string;
  /** The clock jumps by an hour at the n-th look at it, and back at the 2n-th. */
  clockJumpAt?: number;
}

export interface Counted {
  submits: number;
  bytes: number;
  looks: number;
}

const counted: Counted = { submits: 0, bytes: 0, looks: 0 };
const injected = JSON.parse(process.env.MCD_TORTURE ?? "{}") as Injected;

function loseDevices(after: readonly number[]): void {
  const { GPUAdapter, GPUQueue } = globals as unknown as {
    GPUAdapter: { prototype: GPUAdapter };
    GPUQueue: { prototype: GPUQueue };
  };
  const { requestDevice } = GPUAdapter.prototype;
  let device: GPUDevice | null = null;
  GPUAdapter.prototype.requestDevice = async function (this: GPUAdapter, descriptor) {
    device = await requestDevice.call(this, descriptor);
    return device;
  };
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (this: GPUQueue, buffers) {
    const result = submit.call(this, buffers);
    if (after.includes(++counted.submits)) device?.destroy();
    return result;
  };
}

function fillDisk(bytes: number): void {
  let left = bytes;
  const full = (call: string) =>
    Object.assign(new Error(`ENOSPC: no space left on device, ${call}`), { code: "ENOSPC" });
  /** Writes what still fits, as a disk does. */
  const limited = async (data: Uint8Array | string, write: (data: Uint8Array) => Promise<void>) => {
    const all = Buffer.from(data as string);
    const fits = all.subarray(0, left);
    left -= fits.length;
    counted.bytes += fits.length;
    await write(fits);
    if (fits.length < all.length) throw full("write");
  };
  const { open, appendFile, writeFile, mkdir } = fs;
  Object.assign(fs, {
    open: async (...args: Parameters<typeof open>) => {
      const handle = await open(...args);
      const write = handle.writeFile.bind(handle);
      Object.assign(handle, { writeFile: (data: Uint8Array | string) => limited(data, write) });
      return handle;
    },
    appendFile: (path: string, data: Uint8Array | string) => limited(data, (fits) => appendFile(path, fits)),
    writeFile: (path: string, data: Uint8Array | string, options?: object) =>
      limited(data, (fits) => writeFile(path, fits, options)),
    mkdir: async (...args: Parameters<typeof mkdir>) => {
      if (left === 0) throw full("mkdir");
      return mkdir(...args);
    },
  });
  syncBuiltinESMExports();
}

function jumpClock(at: number): void {
  const hour = 3_600_000;
  const jump = () => {
    const looks = ++counted.looks;
    return looks >= at && looks < 2 * at ? hour : looks >= 2 * at ? -hour : 0;
  };
  const [now, date] = [performance.now.bind(performance), Date.now.bind(Date)];
  performance.now = () => now() + jump();
  Date.now = () => date() + jump();
}

const { loseAfterSubmits, diskBytes, clockJumpAt, countInto } = injected;
if (loseAfterSubmits || countInto) loseDevices(loseAfterSubmits ?? []);
if (diskBytes !== undefined || countInto) fillDisk(diskBytes ?? Number.POSITIVE_INFINITY);
if (clockJumpAt !== undefined || countInto) jumpClock(clockJumpAt ?? Number.POSITIVE_INFINITY);
if (countInto) process.on("exit", () => writeFileSync(countInto, JSON.stringify(counted)));
