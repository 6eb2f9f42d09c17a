/** What a large cache on disk needs beside `Files`. Only Node has it (node-disk.ts). Errors are `UserError`s that name the path. */

export interface Disk {
  /** Size and times of a file in one word; null if there is none. The same word means that the file was not touched. */
  stamp(path: string): Promise<string | null>;
  /** Milliseconds since a file was last written; 0 if there is none. */
  age(path: string): Promise<number>;
  /** Opens a file for reading at positions. */
  open(path: string): Promise<DiskFile>;
  /** Begins a file that gets its name when all of it is written. */
  create(path: string): Promise<DiskWriter>;
}

export interface DiskFile {
  readonly bytes: number;
  /** Fills `target` from `position` on. Throws a `UserError` where the file ends before. */
  read(target: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** Calls must not overlap. */
export interface DiskWriter {
  write(data: Uint8Array): Promise<void>;
  /** Makes the file whole under its name, in one step. */
  finish(): Promise<void>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
}

/** How the names of files end that are being written. */
export const unfinished = ".unfinished";
