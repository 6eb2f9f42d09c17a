/**
 * A forward pass for the positions that a step of sampling needs, instead of all positions of all captions. Exact: a position's
 * logits depend on its own caption alone, and in the last block on the other positions only through self-attention.
 *
 *   captions without such a position are left out;
 *   t is the same for all rows, so the modulations are computed once;
 *   the branches of guidance share x_t and t, so up to the first cross-attention they are one;
 *   rows of the same condition share its keys and values;
 *   after the last self-attention only the needed positions go on.
 */

import type { Float } from "../../engine/gpu/kernel.js";
import { crossAttention } from "../../engine/ops/attention.js";
import { cast, concat } from "../../engine/ops/copy.js";
import { embedding } from "../../engine/ops/embedding.js";
import { gather } from "../../engine/ops/gather.js";
import { fromArray, type Tensor } from "../../engine/tensor/tensor.js";
import type { Decoder } from "./decoder.js";

/** The condition of one branch: keys and values of K pictures for each block, and whose a caption reads. */
export interface BranchCondition {
  /** For each block [K, S + G, 2d], as `Decoder.prepare` makes them. */
  readonly keyValues: readonly Tensor<Float>[];
  /** The index below K that belongs to a caption of the batch. */
  readonly ownerOf: (caption: number) => number;
}

/** The places of some rows in a rectangle [owners, most], one line an owner, and back. */
interface Lines {
  readonly owners: number;
  readonly most: number;
  /** The row at each place (0 where there is none), and the place of each row; null: the rows are the rectangle. */
  readonly maps: { readonly rowAt: Uint32Array; readonly placeOf: Uint32Array } | null;
}

function linesOf(owners: number, ownerOfRow: readonly number[]): Lines {
  const used = new Uint32Array(owners);
  const lines = ownerOfRow.map((owner) => [owner, used[owner]!++] as const);
  const most = used.reduce((a, b) => Math.max(a, b));
  const placeOf = Uint32Array.from(lines, ([owner, at]) => owner * most + at);
  if (placeOf.length === owners * most && placeOf.every((place, row) => place === row)) {
    return { owners, most, maps: null };
  }
  const rowAt = new Uint32Array(owners * most);
  placeOf.forEach((place, row) => {
    rowAt[place] = row;
  });
  return { owners, most, maps: { rowAt, placeOf } };
}

/** Embedding and concat are float32; float16 numbers come through unchanged. */
const inFloat32 = <D extends Float>(x: Tensor<D>, body: (x: Tensor) => Tensor): Tensor<D> =>
  (x.dtype === "f32" ? body(x as Tensor) : cast(body(cast(x, "f32")), x.dtype)) as Tensor<D>;

/** Rows [n, d] of x [..., d] by index. */
function take<D extends Float>(x: Tensor<D>, rows: Uint32Array): Tensor<D> {
  const width = x.shape.at(-1)!;
  const index = fromArray(x.gpu, rows, [rows.length], "u32", "rows");
  return inFloat32(x, (table) => embedding(table.reshape([-1, width]), index));
}

/** Joins tensors [n, d] along the first axis. */
function join<D extends Float>([first, ...rest]: readonly Tensor<D>[]): Tensor<D> {
  if (rest.length === 0) return first!;
  const others = rest.map((other) => (other.dtype === "f32" ? (other as Tensor) : cast(other, "f32")));
  return inFloat32(first!, (part) => concat([part, ...others], 0));
}

/**
 * Logits [branches · n, M] at `rows`, n ascending positions caption · L + place of x_t [C, L], for each condition in turn;
 * `penalty` [M] is added to them. `conditionsOf` receives the captions that the pass keeps, ascending.
 */
export function logitsAt(
  decoder: Decoder,
  { xt, t, rows }: { xt: Tensor<"u32">; t: number; rows: readonly number[] },
  conditionsOf: (captions: readonly number[]) => readonly BranchCondition[],
  penalty: Tensor | null,
): Tensor {
  const { gpu, shape, blocks } = decoder;
  const { length, dim } = shape;
  return gpu.scope(() => {
    const captions = [...new Set(rows.map((row) => Math.floor(row / length)))];
    const kept = new Map(captions.map((caption, i) => [caption, i]));
    const needed = Uint32Array.from(
      rows,
      (row) => kept.get(Math.floor(row / length))! * length + (row % length),
    );
    const conditions = conditionsOf(captions);
    const all = captions.length * length;
    const ownersAll = conditions.map(({ keyValues, ownerOf }) =>
      linesOf(
        keyValues[0]!.shape[0]!,
        captions.flatMap((caption) => new Array<number>(length).fill(ownerOf(caption))),
      ),
    );
    const ownersNeeded = conditions.map(({ keyValues, ownerOf }) =>
      linesOf(
        keyValues[0]!.shape[0]!,
        rows.map((row) => ownerOf(Math.floor(row / length))),
      ),
    );
    const modulations = decoder.modulation.forward(fromArray(gpu, [t], [1], "u32", "t"));
    let x = decoder.embed(rowsOf(xt, captions));
    let branches = 1;
    for (const [i, block] of blocks.entries()) {
      const isLast = i + 1 === blocks.length;
      const [count, lines] = isLast ? [rows.length, ownersNeeded] : [all, ownersAll];
      x = gpu.scope(() => {
        let attended = block.attend(x, modulations[2 * i]!).reshape([branches * all, dim]);
        let stream = x.reshape([branches * all, dim]);
        if (isLast) {
          const going = Uint32Array.from(
            { length: branches * count },
            (_, j) => Math.floor(j / count) * all + needed[j % count]!,
          );
          [attended, stream] = [take(attended, going), take(stream, going)];
        }
        stream = block.afterSelf(stream, attended);
        const queries = block.queries(stream, modulations[2 * i + 1]!);
        const seen = conditions.map(({ keyValues }, branch) =>
          look(
            queries,
            branches === 1 ? 0 : branch * count,
            count,
            keyValues[i]!,
            lines[branch]!,
            block.heads,
          ),
        );
        const streams = branches === conditions.length ? stream : join(conditions.map(() => stream));
        const next = block.afterCross(streams, join(seen));
        return isLast ? next : next.reshape([conditions.length * captions.length, length, dim]);
      });
      branches = conditions.length;
    }
    return decoder.logits(x, penalty);
  });
}

/** Some rows, ascending, of a table of ids: [C, n] → [rows, n]. */
export function rowsOf(ids: Tensor<"u32">, rows: readonly number[]): Tensor<"u32"> {
  const [all, width] = ids.shape as [number, number];
  if (rows.length === all) return ids;
  const index = Uint32Array.from(
    { length: rows.length * width },
    (_, i) => rows[Math.floor(i / width)]! * width + (i % width),
  );
  const picked = gather(ids.reshape([-1]), 0, fromArray(ids.gpu, index, [index.length], "u32", "rows"));
  return picked.reshape([rows.length, width]);
}

/** Cross-attention of `count` queries from row `start` of [..., d] to the keys and values [K, S + G, 2d] of their owners. */
function look(
  queries: Tensor<Float>,
  start: number,
  count: number,
  keyValue: Tensor<Float>,
  { owners, most, maps }: Lines,
  heads: number,
): Tensor<Float> {
  const width = queries.shape.at(-1)!;
  const lines = maps
    ? take(
        queries,
        maps.rowAt.map((row) => start + row),
      )
    : queries.reshape([-1, width]).slice(0, start, count);
  const seen = crossAttention(lines.reshape([owners, most, width]), keyValue, heads).output;
  return maps ? take(seen, maps.placeOf) : seen.reshape([count, width]);
}
