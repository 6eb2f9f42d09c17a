/** The list of GPU commands that ops append to, and its conversion to command buffers. */

import type { Vec4 } from "./kernel.js";
import type { Pipeline } from "./pipelines.js";
import type { Storage } from "./pool.js";
import type { Region } from "./region.js";

/** A range of a buffer that a dispatch binds. */
export interface BoundRange {
  storage: Storage;
  /** Bytes from the start of the buffer, a multiple of the device's storage alignment. */
  offset: number;
  size: number;
  /** What a kernel that writes changes of a storage bound as a whole; absent: all. */
  writes?: Region | undefined;
}

/** One recorded dispatch. */
export interface Dispatch {
  kind: "dispatch";
  pipeline: Pipeline;
  bindings: readonly BoundRange[];
  /** Textures in the order of the kernel's `textures`. */
  textures: readonly GPUTextureView[];
  /** Bytes into the recording's uniform block. */
  uniformOffset: number;
  groups: readonly [number, number, number];
}

export interface BufferCopy {
  kind: "copy";
  source: Storage;
  sourceOffset: number;
  target: Storage;
  targetOffset: number;
  size: number;
}

export interface BufferClear {
  kind: "clear";
  target: Storage;
  offset: number;
  size: number;
}

export type Command = Dispatch | BufferCopy | BufferClear;

/** The storages that a command reads or writes. */
export function storagesOf(command: Command): readonly Storage[] {
  if (command.kind === "dispatch") return command.bindings.map(({ storage }) => storage);
  return command.kind === "copy" ? [command.source, command.target] : [command.target];
}

/** Callbacks of a profiler, called in the order of the events. */
export interface Observer {
  /** Called when a dispatch was recorded, with the values of its uniforms and compile-time choices. */
  dispatch?(
    dispatch: Dispatch,
    params: Readonly<Record<string, number | Vec4>>,
    variant: Readonly<Record<string, string | boolean>>,
  ): void;
  /** Called when a slice of long work is done, with the time on the device, work queued before it by other users included. */
  slice?(milliseconds: number): void;
  /** Called when memory was taken (positive) or given back (negative). */
  memory?(label: string, bytes: number): void;
}

/** The size in bytes of the block that holds the uniforms of one submission. */
export const uniformBlockBytes = 1 << 20;

/** Commands in order, with the uniform values of all dispatches packed into one block. */
export class Recording {
  commands: Command[] = [];
  readonly #alignment: number;
  #uniforms: ArrayBuffer;
  #view: DataView;
  #used = 0;

  constructor(alignment: number, initialBytes = 1 << 16) {
    this.#alignment = alignment;
    this.#uniforms = new ArrayBuffer(initialBytes);
    this.#view = new DataView(this.#uniforms);
  }

  get uniformBytes(): number {
    return this.#used;
  }

  get uniformData(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#uniforms, 0, this.#used);
  }

  /** Reserves aligned space for one uniform struct and returns its offset; `write` then fills it. */
  reserveUniform(bytes: number): number {
    const offset = this.#used;
    this.#used += Math.ceil(bytes / this.#alignment) * this.#alignment;
    if (this.#used > this.#uniforms.byteLength) {
      const larger = new ArrayBuffer(Math.max(this.#used, this.#uniforms.byteLength * 2));
      new Uint8Array(larger).set(new Uint8Array(this.#uniforms));
      this.#uniforms = larger;
      this.#view = new DataView(larger);
    }
    return offset;
  }

  get uniformView(): DataView {
    return this.#view;
  }

  /** Returns the commands and empties the recording. */
  take(): Command[] {
    const { commands } = this;
    this.commands = [];
    this.#used = 0;
    return commands;
  }
}
