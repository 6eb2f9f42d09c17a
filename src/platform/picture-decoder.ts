/**
 * Decoding with bounds on pixels, memory and time. Ordinary pictures, whose header bounds both, are decoded here. All others
 * (drawings, large ones, many passes) go to a process beside this one, which can be ended: native code that runs away cannot
 * be stopped in any other way.
 */

import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { FITS, FORMATS, type Frame, FrameReader, frameHead, PIXELS, REFUSED } from "./decode-frames.js";
import { UserError } from "./errors.js";
import { damaged, type PictureFormat, type PictureHeader, readPictureHeader } from "./picture-header.js";
import type { DecodeOptions, RgbImage } from "./platform.js";
import { decodeBySharp } from "./sharp-pictures.js";

/** Pixels of an ordinary picture: 128 MB when all of them are held with 16 bits a channel. */
const ORDINARY_PIXELS = 16e6;
/** Pixels times passes over them: about two seconds of decoding. */
const ORDINARY_WORK = 100e6;
/** Pixels of an ordinary picture's longer side: scaling a ribbon takes libvips seconds, as each new pixel covers thousands. */
const ORDINARY_SIDE = 16_384;
/** Of the file, which may hold compressed metadata. */
const ORDINARY_BYTES = 32 * 2 ** 20;

/** Pictures at work in the process at the same time: as many as libuv has threads, and as many that wait. */
const AT_ONCE = 8;

export interface DecoderLimits {
  /** Bytes that decoding may take, beside twice the picture's file. */
  readonly memory: number;
  /** Seconds of computing for a picture; as much again for each 20 megapixels. */
  readonly seconds: number;
}

const LIMITS: DecoderLimits = { memory: 2 ** 30, seconds: 3 };

interface Job {
  readonly format: PictureFormat;
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly fit: "contain" | "cover";
  /** Nothing else runs beside it. */
  alone: boolean;
  /** Others ran beside it. */
  shared: boolean;
  /** Was at work when a process ended. Now it runs alone: if that ends too, it is this picture's fault. */
  suspect: boolean;
  readonly resolve: (image: RgbImage) => void;
  readonly reject: (error: Error) => void;
}

/** Its process starts with the first picture that needs it and ends with this one. */
export class PictureDecoder {
  readonly #limits: DecoderLimits;
  readonly #waiting: Job[] = [];
  readonly #running = new Map<number, Job>();
  #process: DecodingProcess | null = null;
  #lastId = 0;

  constructor(limits: DecoderLimits = LIMITS) {
    this.#limits = limits;
  }

  /** See `ImageCodec.decode`. Several pictures may be asked for at once. */
  async decode(
    bytes: Uint8Array,
    size: number,
    fit: "contain" | "cover",
    { svg }: DecodeOptions = {},
  ): Promise<RgbImage> {
    const header = readPictureHeader(bytes, svg !== undefined);
    const { format } = header;
    if ((format === "svg" && svg === "trusted") || isOrdinary(header, bytes)) {
      const data = await decodeBySharp(format, bytes, size, fit);
      return { width: size, height: size, data };
    }
    return new Promise((resolve, reject) => {
      // Each large one takes much memory.
      const alone = header.width * header.height > ORDINARY_PIXELS;
      this.#waiting.push({ format, bytes, size, fit, alone, shared: false, suspect: false, resolve, reject });
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

  /** Starts the process. */
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
              "The process that decodes pictures does not start: is the machine out of processes or files?",
            );
          for (const job of [...left, ...this.#waiting.splice(0)]) job.reject(error());
          return;
        }
        // Time is counted from a picture's beginning; what memory others have left behind is not.
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

/** Whether what the header says bounds memory and time. */
function isOrdinary({ format, width, height }: PictureHeader, bytes: Uint8Array): boolean {
  const pixels = width * height;
  if (format === "svg" || pixels > ORDINARY_PIXELS || bytes.length > ORDINARY_BYTES) return false;
  if (Math.max(width, height) > ORDINARY_SIDE) return false;
  // Few bytes may ask for thousands of passes over a progressive JPEG.
  return format !== "jpeg" || pixels * jpegScans(bytes) <= ORDINARY_WORK;
}

/** How often the marker of a scan stands in a JPEG file; not within a scan, where 0xff is followed by 0. */
function jpegScans(bytes: Uint8Array): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const marker = Buffer.of(0xff, 0xda);
  let scans = 0;
  for (let at = buffer.indexOf(marker); at >= 0; at = buffer.indexOf(marker, at + 2)) scans++;
  return scans;
}

function settle({ size, resolve, reject }: Job, { first: kind, body }: Frame): void {
  const message = () => new TextDecoder().decode(body);
  if (kind === PIXELS) resolve({ width: size, height: size, data: body });
  else reject(kind === REFUSED ? new UserError(message()) : new Error(message()));
}

interface Events {
  onReply: (frame: Frame) => void;
  /** The process is gone, with the reason that it gave, or a clause about its end; null if it never started. */
  onEnd: (reason: string | null) => void;
}

class DecodingProcess {
  readonly #child: ChildProcess;
  /** Pictures that it was given so far. */
  sent = 0;

  constructor({ memory, seconds }: DecoderLimits, { onReply, onEnd }: Events) {
    // Options of this process (a debugger's port, hooks of a test runner) are not for the other one.
    const { NODE_OPTIONS: _, ...env } = process.env;
    const script = fileURLToPath(new URL("./decode-process.js", import.meta.url));
    // Detached: Ctrl-C in a terminal is for the command, which may have pictures to finish.
    this.#child = spawn(process.execPath, [script, String(memory), String(seconds)], {
      stdio: ["pipe", "pipe", "ignore", "pipe"],
      detached: true,
      windowsHide: true,
      env,
    });
    let reason = "";
    const reader = new FrameReader(onReply);
    // Without file descriptors left there are no streams.
    const { stdin: input, stdout: output, stdio } = this.#child;
    const reasons = stdio[3] as Readable | undefined;
    output?.on("data", (chunk: Uint8Array) => reader.push(chunk));
    reasons?.setEncoding("latin1").on("data", (text: string) => {
      reason += text;
    });
    // A process that is gone cannot be written to; `close` tells of it.
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

  send(id: number, { format, bytes, size, fit }: Job): void {
    this.sent++;
    this.#hold(true);
    const second = FORMATS.indexOf(format) + 4 * FITS.indexOf(fit);
    const input = this.#child.stdin;
    input?.cork();
    input?.write(frameHead({ id, first: size, second, body: bytes }));
    input?.write(bytes);
    input?.uncork();
  }

  /** Lets this process end although the other one waits for more. */
  rest(): void {
    this.#hold(false);
  }

  #hold(hold: boolean): void {
    for (const handle of [this.#child, ...this.#child.stdio]) {
      // Streams of a child process are sockets, which can be held; their types do not say so.
      const { ref, unref } = (handle ?? {}) as { ref?: () => void; unref?: () => void };
      (hold ? ref : unref)?.call(handle);
    }
  }
}
