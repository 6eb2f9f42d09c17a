/** Large files in Node: random-access reading, writing under a temporary name. */

import { randomBytes } from "node:crypto";
import { close, fstat, open as openFile, read } from "node:fs";
import * as fs from "node:fs/promises";
import { promisify } from "node:util";
import { type Disk, type DiskFile, type DiskWriter, unfinished } from "./disk.js";
import { UserError } from "./errors.js";

// Plain descriptors: a `FileHandle` that is garbage-collected before it is closed prints a warning.
const readAt = promisify(read);
const closeDescriptor = promisify(close);
const openDescriptor = promisify(openFile);
const status = promisify(fstat);

async function describe<T>(action: string, path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot ${action} ${path}: ${error instanceof Error ? error.message : error}.`);
  }
}

async function open(path: string): Promise<DiskFile> {
  const descriptor = await describe("read", path, () => openDescriptor(path, "r", 0));
  const { size } = await status(descriptor);
  return {
    bytes: size,
    read: (target, position) =>
      describe("read", path, async () => {
        for (let done = 0; done < target.length; ) {
          const left = target.length - done;
          const { bytesRead } = await readAt(descriptor, target, done, left, position + done);
          if (bytesRead === 0) throw new UserError(`Cannot read ${path}: it ends early.`);
          done += bytesRead;
        }
      }),
    close: () => closeDescriptor(descriptor),
  };
}

async function create(path: string): Promise<DiskWriter> {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString("hex")}${unfinished}`;
  const handle = await describe("write", path, () => fs.open(temporary, "wx"));
  return {
    write: (data) => describe("write", path, () => handle.writeFile(data)),
    finish: () =>
      describe("write", path, async () => {
        await handle.datasync();
        await handle.close();
        await fs.rename(temporary, path);
      }),
    async abandon() {
      await handle.close().catch(() => {});
      await fs.rm(temporary, { force: true }).catch(() => {});
    },
  };
}

export const nodeDisk: Disk = {
  stamp: (path) =>
    fs.stat(path).then(
      ({ size, mtimeMs, ctimeMs }) => `${size} ${mtimeMs} ${ctimeMs}`,
      () => null,
    ),
  age: (path) =>
    fs.stat(path).then(
      ({ mtimeMs }) => Math.max(0, Date.now() - mtimeMs),
      () => 0,
    ),
  open,
  create,
};
