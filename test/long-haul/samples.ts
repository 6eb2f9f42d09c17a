/** What is counted from time to time in long work, and whether it stays flat. */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { heapBytes } from "../garbage.js";

export interface Sample {
  /** Steps, captions, … so far. */
  done: number;
  /** Must be the same in all samples after the first, which is taken when the work is warm. */
  counts: Record<string, number>;
  /** Bytes of JavaScript objects and their buffers, garbage collected. */
  heap: number;
  /** Bytes of the whole process, for the report: the driver and the allocator keep what they like. */
  process: number;
}

export interface Part {
  name: string;
  unit: string;
  samples: Sample[];
}

export async function sample(done: number, counts: Record<string, number>): Promise<Sample> {
  return { done, counts, heap: await heapBytes(), process: process.memoryUsage.rss() };
}

/** What an engine holds on its device, and has made so far. */
export function engineCounts(gpu: Gpu): Record<string, number> {
  const { pipelines, keptBindGroups, buffers } = gpu.counters;
  const { liveBytes, pooledBytes } = gpu.memory;
  return {
    "buffers made": buffers,
    "live bytes": liveBytes,
    "pooled bytes": pooledBytes,
    pipelines,
    keptBindGroups,
  };
}

/**
 * Bytes by which the heap may differ between two moments of the same work: code that V8 compiles or throws away, tables that
 * it grows, promises that are on their way. Seen are some 100 KB. Of 18,000 steps that leave one closure each (64 bytes or more)
 * behind, 1 MB would be left, of 450 engines that leave themselves (58 KB) behind, 26 MB.
 */
export const heapTolerance = 1 << 20;

/** What is not flat in a part, as sentences. */
export function growth({ name, unit, samples }: Part): string[] {
  const [first, ...later] = samples;
  const problems: string[] = [];
  for (const { done, counts, heap } of later) {
    for (const [what, count] of Object.entries(counts)) {
      if (count !== first!.counts[what])
        problems.push(
          `${name}: ${what} ${first!.counts[what]} at ${first!.done} ${unit}, ${count} at ${done}`,
        );
    }
    if (heap - first!.heap > heapTolerance)
      problems.push(
        `${name}: the heap grew by ${heap - first!.heap} bytes from ${first!.done} to ${done} ${unit}`,
      );
  }
  return problems;
}

/** The first and the last sample of each part, as a Markdown table. */
export function growthTable(parts: readonly Part[]): string {
  const mega = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  return [
    "| work | counted | first | last | heap, first and last | process, first and last |",
    "| --- | --- | --- | --- | --- | --- |",
    ...parts.map(({ name, unit, samples }) => {
      const [first, last] = [samples[0]!, samples.at(-1)!];
      const of = ({ counts }: Sample) => Object.values(counts).join(", ");
      return `| ${name} | ${Object.keys(first.counts).join(", ")} | after ${first.done} ${unit}: ${of(first)} | after ${last.done}: ${of(last)} | ${mega(first.heap)}, ${mega(last.heap)} | ${mega(first.process)}, ${mega(last.process)} |`;
    }),
  ].join("\n");
}
