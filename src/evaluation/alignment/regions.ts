/** Regions of a picture as cells of its code grid: what boxes cover, the same shape elsewhere, and how attention lies to them. */

import { type Box, cellsInside } from "../../data/scenes/geometry.js";

/** The part of the picture that some boxes cover together, for each of side² cells, row by row. */
export interface Region {
  /** Share of each cell that the boxes cover, 0 … 1. */
  readonly covered: Float64Array;
  /** Whether the middle of the cell lies in a box. */
  readonly inside: readonly boolean[];
}

/** The cells that boxes in a picture of `size` pixels cover. `size` must be a multiple of `side`. */
export function regionOf(boxes: readonly Box[], size: number, side: number): Region {
  const cell = size / side;
  if (!Number.isInteger(cell))
    throw new RangeError(`regionOf: ${size} pixels are not divided into ${side} cells`);
  const covered = new Float64Array(side * side);
  const holds = (x: number, y: number) =>
    boxes.some((box) => x >= box.x && y >= box.y && x < box.x + box.width && y < box.y + box.height);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (holds(x + 0.5, y + 0.5)) covered[Math.floor(y / cell) * side + Math.floor(x / cell)]!++;
  for (let s = 0; s < covered.length; s++) covered[s]! /= cell * cell;
  const inside = new Array<boolean>(side * side).fill(false);
  for (const box of boxes) {
    const { top, bottom, left, right } = cellsInside(box, size, side);
    for (let row = top; row < bottom; row++) inside.fill(true, row * side + left, row * side + right);
  }
  return { covered, inside };
}

/** Numbers of the cells that a region touches. */
export function cellsOf({ covered }: Region): number[] {
  return [...covered].flatMap((share, s) => (share > 0 ? [s] : []));
}

/**
 * Other places for a set of cells, moved as a whole and not turned, which share at most a quarter of them with it: `most` places that
 * are spread evenly over all there are, row by row. None, if the set is too large to be moved.
 */
export function elsewhere(cells: readonly number[], side: number, most: number): number[][] {
  const own = new Set(cells);
  const [xs, ys] = [cells.map((s) => s % side), cells.map((s) => Math.floor(s / side))];
  const places: number[][] = [];
  for (let dy = -Math.min(...ys); dy < side - Math.max(...ys); dy++) {
    for (let dx = -Math.min(...xs); dx < side - Math.max(...xs); dx++) {
      const moved = cells.map((s) => s + dy * side + dx);
      if (4 * moved.filter((s) => own.has(s)).length <= cells.length) places.push(moved);
    }
  }
  if (places.length <= most) return places;
  return Array.from({ length: most }, (_, i) => places[Math.floor(((i + 0.5) * places.length) / most)]!);
}

/** How the attention of a word lies to a region. */
export interface AttentionLook {
  /** Share of the attention that lies in the region, and the region's share of the picture. */
  readonly inBox: number;
  readonly area: number;
  /** Whether the cell with most attention has its middle in a box (1 or 0), and the share of such cells. */
  readonly pointed: number;
  readonly pointedByChance: number;
  /** Chance that a cell with its middle in a box has more attention than one outside; ties are halves. NaN without either. */
  readonly auc: number;
}

/** Measures the attention [side²] of a word; its sum does not matter. */
export function lookAt(attention: ArrayLike<number>, { covered, inside }: Region): AttentionLook {
  let [sum, within, area, most] = [0, 0, 0, 0];
  for (let s = 0; s < covered.length; s++) {
    sum += attention[s]!;
    within += attention[s]! * covered[s]!;
    area += covered[s]! / covered.length;
    if (attention[s]! > attention[most]!) most = s;
  }
  const of = (where: boolean) =>
    [...covered.keys()].filter((s) => inside[s] === where).map((s) => attention[s]!);
  const [inner, outer] = [of(true), of(false)];
  return {
    inBox: within / sum,
    area,
    pointed: Number(inside[most]),
    pointedByChance: inner.length / covered.length,
    auc: aucOf(inner, outer),
  };
}

/** Chance that a number of `high` is above one of `low`; ties count half. NaN if one list is empty. */
export function aucOf(high: readonly number[], low: readonly number[]): number {
  let wins = 0;
  for (const a of high) for (const b of low) wins += a > b ? 1 : a === b ? 0.5 : 0;
  return wins / (high.length * low.length);
}
