/**
 * The process that decodes pictures for picture-decoder.ts. Reads requests from standard input and writes replies to standard
 * output. Decoding runs on libuv's threads, so that this thread can watch memory and time. It ends the process if either exceeds
 * its limit, and writes the reason to file descriptor 3.
 */

import { writeSync } from "node:fs";
import {
  FAILED,
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
import { BOX_BYTES, boxFrom } from "./picture-box.js";
import { readPictureHeader } from "./picture-header.js";
import { sharpIfInstalled } from "./sharp-pictures.js";

/** Milliseconds between two checks of memory and time. */
const LOOK = 20;
const REASON = 3;

/** Limits: bytes of the whole process in addition to twice the files; seconds of CPU time per picture, before the extra for its pixels. */
const [memory, seconds] = process.argv.slice(2).map(Number) as [number, number];

interface Running {
  /** Bytes of the file. */
  readonly bytes: number;
  /** CPU time of the process when this job began, in microseconds. */
  readonly began: number;
  /** CPU time that the job may take, in microseconds. */
  readonly allowed: number;
  looks: number;
}

/** Loads at once, so that loading does not count as the first picture's time. */
const library = sharpIfInstalled().catch(() => {});

const running = new Map<number, Running>();
let watch: NodeJS.Timeout | null = null;

const computed = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

function look(): void {
  let files = 0;
  for (const job of running.values()) {
    files += job.bytes;
    job.looks++;
    // Count checks rather than wall-clock time: a machine that slept or a stopped process must not count.
    const stuck = job.looks * LOOK * 1000 > 10 * job.allowed;
    if (computed() - job.began > job.allowed || stuck) end("time");
  }
  if (process.memoryUsage.rss() > memory + 2 * files) end("memory");
}

/** Ends this process at once. `process.exit` would wait for the decoding threads. */
function end(reason: "time" | "memory"): void {
  writeSync(REASON, reason);
  process.kill(process.pid, "SIGKILL");
}

function reply(id: number, kind: number, body: Uint8Array, width = 0): void {
  process.stdout.cork();
  process.stdout.write(frameHead({ id, first: kind, second: width, body }));
  process.stdout.write(body);
  process.stdout.uncork();
}

async function decode({ id, first: size, second, body: all }: Frame): Promise<void> {
  await library;
  const box = second & 8 ? boxFrom(all) : undefined;
  const body = box ? all.subarray(BOX_BYTES) : all;
  const { width, height } = readPictureHeader(body, true);
  const megapixels = (width * height) / 1e6;
  running.set(id, {
    bytes: body.length,
    began: computed(),
    allowed: 1e6 * seconds * (1 + megapixels / 20),
    looks: 0,
  });
  watch ??= setInterval(look, LOOK);
  try {
    const [format, fit] = [FORMATS[second & 3]!, FITS[(second >> 2) & 1]!];
    const wanted = { size: size || null, fit, box, alpha: (second & 16) > 0 };
    const { channels, data, width } = await decodePicture(format, body, wanted);
    reply(id, channels === 4 ? RGBA_PIXELS : PIXELS, data, width);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply(id, error instanceof UserError ? REFUSED : FAILED, new TextEncoder().encode(message));
  } finally {
    running.delete(id);
    if (running.size === 0 && watch) {
      clearInterval(watch);
      watch = null;
    }
  }
}

const reader = new FrameReader((frame) => void decode(frame));
process.stdin.on("data", (chunk: Buffer) => reader.push(chunk));
// The command has ended, for whatever reason.
process.stdin.on("close", () => process.kill(process.pid, "SIGKILL"));
process.stdout.on("error", () => process.kill(process.pid, "SIGKILL"));
