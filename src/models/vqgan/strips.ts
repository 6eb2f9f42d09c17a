/**
 * Values of large pictures in strips of rows: no buffer grows beyond what every device can bind. A picture that fits is one strip,
 * and takes the same ops as without strips.
 */

import * as kernels from "../../engine/gpu/kernels.generated.js";
import type { Tunable } from "../../engine/gpu/tuning/tuning-table.js";
import { concat } from "../../engine/ops/copy.js";
import { empty, type Tensor } from "../../engine/tensor/tensor.js";

/** The strips of a picture from top to bottom, [1, h, W, C] each; of many pictures one, [B, H, W, C]. */
export type Strips = readonly Tensor[];

/** How strips are cut. */
export interface Cut {
  /** Most bytes of a strip with a row of each neighbour. */
  bytes: number;
  /** Channels that a strip has to have room for. */
  channels: number;
  /** Every strip but the last has a multiple of these rows. Default 1. */
  unit?: number;
}

const rowsOf = (strip: Tensor) => strip.shape[1]!;

/** Joins and cuts strips so that they are as few as fit into `bytes`. Returns the same array if nothing changes. */
export function fit(strips: Strips, { bytes, channels, unit = 1 }: Cut): Strips {
  const [batch, , width] = strips[0]!.shape as [number, number, number];
  const all = strips.reduce((sum, strip) => sum + rowsOf(strip), 0);
  const rowBytes = 4 * width * channels;
  if (batch > 1 || all * rowBytes <= bytes) return strips.length === 1 ? strips : [concat(strips, 1)];
  const most = Math.floor(bytes / rowBytes) - 2;
  const fitting: Tensor[] = [];
  for (const strip of strips) {
    const last = fitting.at(-1);
    if (last && rowsOf(last) + rowsOf(strip) <= most) fitting[fitting.length - 1] = concat([last, strip], 1);
    else fitting.push(...cut(strip, most, unit));
  }
  return fitting.length === strips.length ? strips : fitting;
}

/** A strip in parts of about the same height and at most `most` rows. */
function cut(strip: Tensor, most: number, unit: number): Tensor[] {
  const rows = rowsOf(strip);
  if (rows <= most) return [strip];
  const count = Math.ceil(rows / (most - unit));
  const ends = Array.from({ length: count }, (_, i) =>
    i + 1 === count ? rows : unit * Math.round(((i + 1) * rows) / (count * unit)),
  );
  return ends.map((end, i) => strip.slice(1, ends[i - 1] ?? 0, end - (ends[i - 1] ?? 0)));
}

/** The least bytes of a strip with which pictures of this width can be cut. */
export function leastBytes(width: number, channels: number, unit: number): number {
  return 4 * width * channels * (2 * unit + 2);
}

/** Strip i with rows of its neighbours above and below, where it has them. */
export function withNeighbours(strips: Strips, i: number, above: number, below: number): Tensor {
  const [before, strip, after] = [strips[i - 1], strips[i]!, strips[i + 1]];
  const parts = [
    ...(before && above > 0 ? [before.slice(1, rowsOf(before) - above, above)] : []),
    strip,
    ...(after && below > 0 ? [after.slice(1, 0, below)] : []),
  ];
  return parts.length === 1 ? strip : concat(parts, 1);
}

/** One strip of all rows. */
export function joined(strips: Strips): Tensor {
  return strips.length === 1 ? strips[0]! : concat(strips, 1);
}

/** A tensor in strips of the same heights as `strips`. */
export function cutLike(whole: Tensor, strips: Strips): Strips {
  if (strips.length === 1) return [whole];
  let end = 0;
  return strips.map((strip) => {
    end += rowsOf(strip);
    return whole.slice(1, end - rowsOf(strip), rowsOf(strip));
  });
}

/** Frees strips, except those that are also in `others`. */
export function free(strips: Strips, others: Strips): void {
  for (const strip of strips) if (!others.includes(strip)) strip.dispose();
}

/**
 * Group normalisation over all strips of one picture, as `groupNorm` computes it (shaders/norm/group-norm.wgsl), off the tape: each
 * strip's rows give their sums, all sums the statistics, and these normalise each strip.
 */
export function groupNormOfStrips(
  strips: Strips,
  groups: number,
  weight: Tensor,
  bias: Tensor,
  { epsilon, activation }: { epsilon: number; activation: "none" | "silu" },
): Strips {
  const first = strips[0]!;
  const { gpu } = first;
  const [, , width, channels] = first.shape as [number, number, number, number];
  const rows = strips.reduce((sum, strip) => sum + rowsOf(strip), 0);
  const { statistics, combine, forward } = kernels.groupNorm;
  const columns = channels / 4;
  const paramsOf = (rows: number) => ({
    ...{ batch: 1, pixels: rows * width, channels, columns, group_count: groups },
    ...{ chunks: rows, chunk_pixels: width, epsilon, accumulate: 0, accumulate_bias: 0 },
  });
  const grid = (kernel: Tunable<{ WORKGROUP: number }>, count: number) => {
    const tune = gpu.tunables(kernel);
    return { groups: gpu.groups1d(count, tune.WORKGROUP), tune };
  };
  return gpu.scope(() => {
    const sums = empty(gpu, [rows, channels, 2], "f32", "groupNorm sums");
    let row = 0;
    for (const input of strips) {
      const count = rowsOf(input);
      gpu.run(statistics, { input, chunk_sums: sums.slice(0, row, count) }, paramsOf(count), {
        ...grid(statistics, count * columns),
        variant: { Element: "vector" },
      });
      row += count;
    }
    const statisticsOut = empty(gpu, [groups, 2], "f32", "groupNorm statistics");
    const center = empty(gpu, [channels], "f32", "groupNorm center");
    const scale = empty(gpu, [channels], "f32", "groupNorm scale");
    gpu.run(
      combine,
      { chunk_values: sums, weight, statistics_out: statisticsOut, center_out: center, scale_out: scale },
      paramsOf(rows),
      grid(combine, groups),
    );
    return strips.map((input) => {
      const output = empty(gpu, input.shape, "f32", "groupNorm");
      const params = paramsOf(rowsOf(input));
      const { PIXELS } = gpu.tunables(forward);
      gpu.run(forward, { input, center, scale, bias, output }, params, {
        ...grid(forward, Math.ceil(params.pixels / PIXELS) * columns),
        variant: { Element: "vector", ACTIVATION: activation },
      });
      return output;
    });
  });
}
