/** Large files in Node: random-access reading, writing under a temporary name. */

import { randomBytes } from "node:crypto";
import { close, constants, fstat, open as openFile, read } from "node:fs";
import * as fs from "node:fs/promises";
import { promisify } from "node:util";
import { type Disk, type DiskFile, type DiskWriter, unfinished } from "./disk.js";
import { UserError } from "./errors.js";
import { reason } from "./node.js";

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
    throw new UserError(`Cannot ${action} ${path}: ${reason(error)}.`);
  }
}

async function open(path: string): Promise<DiskFile> {
  // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const descriptor = await describe("read", path, () => openDescriptor(path, flags, 0));
  const found = await status(descriptor);
  if (!found.isFile()) {
    await closeDescriptor(descriptor);
    throw new UserError(
      `Cannot read ${path}: it is ${found.isDirectory() ? "a folder" : "a pipe, a socket or a device"}, and a file was expected.`,
    );
  }
  return {
    bytes: found.size,
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
