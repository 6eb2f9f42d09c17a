/**
 * Decodes pictures with bounds on pixels, memory and time. Ordinary pictures, whose header bounds memory and time, are decoded
 * in this process. All others (drawings, large pictures, many scans) go to a child process, which can be killed: there is no other
 * way to stop native code.
 */

import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import {
  FITS,
  FORMATS,
  type Frame,
  FrameReader,
  frameHead,
  PIXELS,
  REFUSED,
  RGBA_PIXELS,
} from "./decode-frames.js";
import { decodePicture } from "./decode-picture.js";
import { UserError } from "./errors.js";
import { boxBytes } from "./picture-box.js";
import { damaged, type PictureFormat, type PictureHeader, readPictureHeader } from "./picture-header.js";
import type { DecodeOptions } from "./platform.js";
import type { DecodedImage, WantedPixels } from "./sharp-pictures.js";

/** Most pixels of an ordinary picture: 128 MB if all are in memory with four 16-bit channels. */
const ORDINARY_PIXELS = 16e6;
/** Most pixels times scans of an ordinary picture: about two seconds of decoding. */
const ORDINARY_WORK = 100e6;
/** Longest side of an ordinary picture in pixels: libvips takes seconds to scale a ribbon, as each new pixel covers thousands. */
const ORDINARY_SIDE = 16_384;
/** Largest file of an ordinary picture in bytes: it may contain compressed metadata. */
const ORDINARY_BYTES = 32 * 2 ** 20;

/** Most pictures in the child process at once: as many as libuv has threads, and the same number waiting. */
const AT_ONCE = 8;

export interface DecoderLimits {
  /** Memory limit in bytes, in addition to twice the picture's file. */
  readonly memory: number;
  /** Limit of CPU seconds per picture; each 20 megapixels add the same amount again. */
  readonly seconds: number;
}

const LIMITS: DecoderLimits = { memory: 2 ** 30, seconds: 3 };

interface Job extends WantedPixels {
  readonly format: PictureFormat;
  readonly bytes: Uint8Array;
  /** Must run without other jobs. */
  alone: boolean;
  /** Ran at the same time as other jobs. */
  shared: boolean;
  /** Was running when the child process ended. Now runs alone: if the process ends again, this picture is the cause. */
  suspect: boolean;
  readonly resolve: (image: DecodedImage) => void;
  readonly reject: (error: Error) => void;
}

/** Starts its child process for the first picture that needs it. The child ends with this process. */
export class PictureDecoder {
  readonly #limits: DecoderLimits;
  readonly #waiting: Job[] = [];
  readonly #running = new Map<number, Job>();
  #process: DecodingProcess | null = null;
  #lastId = 0;

  constructor(limits: DecoderLimits = LIMITS) {
    this.#limits = limits;
  }

  /** See `ImageCodec.decode`. Calls may overlap. */
  async decode(bytes: Uint8Array, { svg, ...wanted }: WantedPixels & DecodeOptions): Promise<DecodedImage> {
    const header = readPictureHeader(bytes, svg !== undefined);
    const { format } = header;
    if ((format === "svg" && svg === "trusted") || isOrdinary(header, bytes))
      return decodePicture(format, bytes, wanted);
    return new Promise((resolve, reject) => {
      // Each large picture takes much memory.
      const alone = header.width * header.height > ORDINARY_PIXELS;
      this.#waiting.push({
        ...{ ...wanted, format, bytes, alone, resolve, reject },
        ...{ shared: false, suspect: false },
      });
      this.#start();
    });
  }

  #start(): void {
    for (let job = this.#waiting[0]; job; job = this.#waiting[0]) {
      const others = [...this.#running.values()];
      if (others.length >= AT_ONCE) return;
      if (others.length > 0 && (job.alone || others.some(({ alone }) => alone))) return;
      this.#waiting.shift();
      this.#process ??= this.open();
      const id = ++this.#lastId;
      this.#running.set(id, job);
      if (others.length > 0) for (const each of this.#running.values()) each.shared = true;
      this.#process.send(id, job);
    }
  }

  /** Starts the child process. */
  protected open(): DecodingProcess {
    const opened: DecodingProcess = new DecodingProcess(this.#limits, {
      onReply: (frame) => {
        const job = this.#running.get(frame.id);
        if (job === undefined) return;
        this.#running.delete(frame.id);
        settle(job, frame);
        if (this.#running.size === 0) opened.rest();
        this.#start();
      },
      onEnd: (reason) => {
        this.#process = null;
        const left = [...this.#running.values()];
        this.#running.clear();
        if (reason === null) {
          const error = () =>
            new UserError(
              "The process that decodes pictures cannot be started: has the machine reached its limit of processes or open files?",
            );
          for (const job of [...left, ...this.#waiting.splice(0)]) job.reject(error());
          return;
        }
        // Time is counted per picture. Memory is not: earlier pictures may have left some allocated.
        const guilty =
          left.length === 1 &&
          (left[0]!.suspect || (!left[0]!.shared && (reason === "time" || opened.sent === 1)));
        if (guilty) left[0]!.reject(this.#blame(left[0]!, reason));
        else
          this.#waiting.unshift(
            ...left.map((job) => Object.assign(job, { alone: true, shared: false, suspect: true })),
          );
        this.#start();
      },
    });
    return opened;
  }

  #blame({ format }: Job, reason: string): UserError {
    const { memory, seconds } = this.#limits;
    if (reason === "memory")
      return damaged(format, `decoding it takes more than ${Math.round(memory / 2 ** 20)} MiB of memory`);
    if (reason === "time") return damaged(format, `decoding it takes more than ${seconds} s of computing`);
    return damaged(format, `the image library fails on it: ${reason}`);
  }
}

/** Whether the header bounds memory and time. */
function isOrdinary({ format, width, height }: PictureHeader, bytes: Uint8Array): boolean {
  const pixels = width * height;
  if (format === "svg" || pixels > ORDINARY_PIXELS || bytes.length > ORDINARY_BYTES) return false;
  if (Math.max(width, height) > ORDINARY_SIDE) return false;
  // A small progressive JPEG may contain thousands of scans.
  return format !== "jpeg" || pixels * jpegScans(bytes) <= ORDINARY_WORK;
}

/** Counts the start-of-scan markers in a JPEG file. They cannot occur within a scan, where 0xff is followed by 0. */
function jpegScans(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const marker = Buffer.of(0xff, 0xda);
  let scans = 0;
  for (let at = buffer.indexOf(marker); at >= 0; at = buffer.indexOf(marker, at + 2)) scans++;
  return scans;
}

function settle({ resolve, reject }: Job, { first: kind, second: width, body }: Frame): void {
  const message = () => new TextDecoder().decode(body);
  if (kind === PIXELS || kind === RGBA_PIXELS) {
    const channels = kind === PIXELS ? 3 : 4;
    resolve({ width, height: body.length / width / channels, data: body, channels });
  } else reject(kind === REFUSED ? new UserError(message()) : new Error(message()));
}

interface Events {
  onReply: (frame: Frame) => void;
  /** The process has ended: the reason that it gave, or a clause about its end; null if it never started. */
  onEnd: (reason: string | null) => void;
}

class DecodingProcess {
  readonly #child: ChildProcess;
  /** Number of pictures sent so far. */
  sent = 0;

  constructor({ memory, seconds }: DecoderLimits, { onReply, onEnd }: Events) {
    // The child must not inherit this process's options (a debugger's port, a test runner's hooks).
    const { NODE_OPTIONS: _, ...env } = process.env;
    const script = fileURLToPath(new URL("./decode-process.js", import.meta.url));
    // Detached: Ctrl-C in a terminal must reach only the command, which may have pictures to finish.
    this.#child = spawn(process.execPath, [script, String(memory), String(seconds)], {
      stdio: ["pipe", "pipe", "ignore", "pipe"],
      detached: true,
      windowsHide: true,
      env,
    });
    let reason = "";
    const reader = new FrameReader(onReply);
    // If no file descriptors are left, there are no streams.
    const { stdin: input, stdout: output, stdio } = this.#child;
    const reasons = stdio[3] as Readable | undefined;
    output?.on("data", (chunk: Uint8Array) => reader.push(chunk));
    reasons?.setEncoding("latin1").on("data", (text: string) => {
      reason += text;
    });
    // Ignore write errors after the process has ended: `close` reports the end.
    for (const stream of [input, output, reasons]) stream?.on("error", () => {});
    let ended = false;
    const end = (why: string | null) => {
      if (!ended) onEnd(why);
      ended = true;
    };
    this.#child.on("error", () => end(null));
    this.#child.on("close", (code, signal) =>
      end(reason || (signal ? `it ended by ${signal}` : `it ended with ${code}`)),
    );
  }

  send(id: number, { format, bytes, size, fit, box, alpha }: Job): void {
    this.sent++;
    this.#hold(true);
    const second = FORMATS.indexOf(format) + 4 * FITS.indexOf(fit) + (box ? 8 : 0) + (alpha ? 16 : 0);
    const body = box ? Buffer.concat([boxBytes(box), bytes]) : bytes;
    const input = this.#child.stdin;
    input?.cork();
    input?.write(frameHead({ id, first: size ?? 0, second, body }));
    input?.write(body);
    input?.uncork();
  }

  /** Lets this process end while the child waits for more pictures. */
  rest(): void {
    this.#hold(false);
  }

  #hold(hold: boolean): void {
    for (const handle of [this.#child, ...this.#child.stdio]) {
      // A child's streams are sockets, which have `ref` and `unref`; their types do not say so.
      const { ref, unref } = (handle ?? {}) as { ref?: () => void; unref?: () => void };
      (hold ? ref : unref)?.call(handle);
    }
  }
}
