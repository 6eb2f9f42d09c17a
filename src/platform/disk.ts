/** File access for a large disk cache, in addition to `Files`. Node only (node-disk.ts). Errors are `UserError`s that name the path. */

export interface Disk {
  /** A file's size and times as one string; null if there is no file. An equal string means that the file is unchanged. */
  stamp(path: string): Promise<string | null>;
  /** Milliseconds since a file was last written; 0 if there is no file. */
  age(path: string): Promise<number>;
  /** Opens a file for random-access reading. */
  open(path: string): Promise<DiskFile>;
  /** Begins a file that gets its name only when it is complete. */
  create(path: string): Promise<DiskWriter>;
}

export interface DiskFile {
  readonly bytes: number;
  /** Fills `target` from `position`. Throws a `UserError` if the file ends before that. */
  read(target: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
}

/** Calls must not overlap. */
export interface DiskWriter {
  write(data: Uint8Array): Promise<void>;
  /** Gives the complete file its name, atomically. */
  finish(): Promise<void>;
  /** Removes the unfinished file. */
  abandon(): Promise<void>;
}

/** Suffix of files that are being written. */
export const unfinished = ".unfinished";
