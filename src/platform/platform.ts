/**
 * Interfaces to the environment that the engine runs in. `node.ts` and `browser.ts` each provide one `Platform`;
 * every other file uses these interfaces and never imports a `node:` module.
 */

/** Files of a run, a cache or a data set. Paths use `/`. Errors are `UserError`s that name the path. */
export interface Files {
  /** The whole file. Throws a `UserError` that names the path if it does not exist or cannot be read. */
  read(path: string): Promise<Uint8Array>;
  /** The whole file as text, without a byte order mark; see `decodeText` for the encodings and the errors. */
  readText(path: string): Promise<string>;
  /** Writes to a temporary name beside `path`, then renames it: a reader never sees half a file. */
  write(path: string, data: Uint8Array | string): Promise<void>;
  /** Appends to a log; the only write that is not atomic. */
  append(path: string, data: string): Promise<void>;
  /** Whether there is a file or a folder. */
  exists(path: string): Promise<boolean>;
  /** Whether there is a folder. */
  isDirectory(path: string): Promise<boolean>;
  /** Names inside a folder, sorted by code point. */
  list(path: string): Promise<string[]>;
  /** Makes a folder and those above it; one that exists stays. */
  makeDirectory(path: string): Promise<void>;
  /** Removes a file, or a folder with all in it; nothing there is no error. */
  remove(path: string): Promise<void>;
  /** Moves a file or a folder within one file system, atomically in Node. `to` must not exist, its parent must. */
  rename(path: string, to: string): Promise<void>;
}

/** The part of `Files` that reads a folder. */
export type FolderFiles = Pick<Files, "read" | "readText" | "exists" | "isDirectory" | "list">;

/** An 8-bit RGB picture, rows from the top, 3 bytes per pixel. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Which pictures are decoded. */
export interface DecodeOptions {
  /**
   * Accepts SVG too. Rendering a drawing may take much time and memory: "bounded" limits both where the platform can (Node);
   * "trusted" renders without limits, faster. If omitted, SVG is refused.
   */
  readonly svg?: "bounded" | "trusted" | undefined;
}

/** Decodes, scales and encodes pictures, with a library on each platform. */
export interface ImageCodec {
  /**
   * Decodes PNG, JPEG or WebP bytes (by content; SVG if requested), flattens transparency on white, converts grey to RGB
   * and scales to `size`×`size`: `contain` pads with white, `cover` crops to the centre. picture-header.ts states the rule for
   * orientation and colours. Throws a `UserError` for unreadable bytes, too many pixels, and, in Node, if decoding takes
   * too much memory or time.
   */
  decode(
    bytes: Uint8Array,
    size: number,
    fit: "contain" | "cover",
    options?: DecodeOptions,
  ): Promise<RgbImage>;
  /** The picture as the bytes of a PNG file. */
  encodePng(image: RgbImage): Promise<Uint8Array>;
}

/** Files, pictures, a clock and hashes of the place that the program runs in. */
export interface Platform {
  readonly name: "node" | "browser";
  readonly files: Files;
  readonly images: ImageCodec;
  /** Milliseconds from a monotonic clock. */
  now(): number;
  /** Lower-case hexadecimal SHA-1 and SHA-256 of UTF-8 text or bytes. */
  hash(algorithm: "sha-1" | "sha-256", data: string | Uint8Array): Promise<string>;
}
