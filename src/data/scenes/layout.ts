/** Where the objects of a scene lie. Each function returns rectangles for the given extents, or null if they do not fit this time. */

import type { Draws } from "./draws.js";
import { type Box, overlap, type Relation, relationOf, union } from "./geometry.js";

export interface Extent {
  readonly width: number;
  readonly height: number;
}

const place = ({ width, height }: Extent, x: number, y: number): Box => ({ x, y, width, height });
const turn = ({ x, y, width, height }: Box): Box => ({ x: y, y: x, width: height, height: width });
const turnExtent = ({ width, height }: Extent): Extent => ({ width: height, height: width });

/** Free pixels along the edge of a picture. */
export function marginOf(size: number): number {
  return Math.max(1, Math.floor(size / 48));
}

/** A box anywhere in the picture; null if it is larger. */
export function anywhere(draws: Draws, extent: Extent, size: number): Box | null {
  const margin = marginOf(size);
  const [right, bottom] = [size - margin - extent.width, size - margin - extent.height];
  return right < margin || bottom < margin
    ? null
    : place(extent, draws.between(margin, right), draws.between(margin, bottom));
}

/**
 * Boxes in a row from left to right with gaps of at most `gap`, at nearly the same height; null if they do not fit. The row lies
 * anywhere in the picture.
 */
export function row(draws: Draws, extents: readonly Extent[], size: number, gap: number): Box[] | null {
  const margin = marginOf(size);
  const widths = extents.reduce((sum, { width }) => sum + width, 0);
  const room = size - 2 * margin - widths;
  const gaps = extents.length - 1;
  const height = Math.max(...extents.map((extent) => extent.height));
  if (room < 2 * gaps || height > size - 2 * margin) return null;
  const step = gaps === 0 ? 0 : draws.between(2, Math.max(2, Math.min(gap, Math.floor(room / gaps))));
  let x = draws.between(margin, margin + Math.max(0, room - gaps * step));
  const middle = draws.between(margin, size - margin - height) + (height >> 1);
  return extents.map((extent) => {
    const jitter = Math.floor(size / 48);
    const y = middle - (extent.height >> 1) + draws.between(-jitter, jitter);
    const box = place(extent, x, Math.max(margin, Math.min(size - margin - extent.height, y)));
    x += extent.width + step;
    return box;
  });
}

/** `row`, from top to bottom. */
export function column(draws: Draws, extents: readonly Extent[], size: number, gap: number): Box[] | null {
  return row(draws, extents.map(turnExtent), size, gap)?.map(turn) ?? null;
}

/** Boxes anywhere that do not touch. */
export function scattered(draws: Draws, extents: readonly Extent[], size: number): Box[] | null {
  const boxes: Box[] = [];
  for (const extent of extents) {
    const box = anywhere(draws, extent, size);
    if (box === null || boxes.some((other) => overlap(other, box) > 0)) return null;
    boxes.push(box);
  }
  return boxes;
}

/**
 * A box of each extent, the first in the given relation to the second. Of front and behind, the second or the first is drawn first.
 */
export function pair(
  draws: Draws,
  [a, b]: readonly [Extent, Extent],
  relation: Relation,
  size: number,
): [Box, Box] | null {
  let boxes: Box[] | null;
  switch (relation) {
    case "left":
    case "right":
    case "above":
    case "below": {
      const line = relation === "left" || relation === "right" ? row : column;
      const forward = relation === "left" || relation === "above";
      // A third of the pairs stand close to each other, which is "next to".
      boxes = line(draws, forward ? [a, b] : [b, a], size, draws.chance(35) ? size >> 4 : size);
      if (!forward) boxes?.reverse();
      break;
    }
    default: {
      const second = anywhere(draws, b, size);
      const first = anywhere(draws, a, size);
      boxes = first && second && [first, second];
    }
  }
  if (boxes === null) return null;
  const [first, second] = boxes as [Box, Box];
  const holds = relationOf(first, second, relation === "front") === relation;
  return holds ? [first, second] : null;
}

/** Entity 0 left of entity 1, and entity 2 above or below both. */
export function corner(
  draws: Draws,
  [a, b, c]: readonly [Extent, Extent, Extent],
  relation: "above" | "below",
  size: number,
): [Box, Box, Box] | null {
  const sides = row(draws, [a, b], size, size >> 2);
  const third = anywhere(draws, c, size);
  if (sides === null || third === null) return null;
  const [first, second] = sides as [Box, Box];
  const holds =
    relationOf(first, second, false) === "left" && relationOf(third, union(sides), true) === relation;
  return holds ? [first, second, third] : null;
}

/** Whether three boxes make "0 between 1 and 2": 1, 0, 2 follow each other, side by side or one above the other. */
export function isBetween([middle, first, last]: readonly [Box, Box, Box]): boolean {
  const relation = relationOf(first, middle, false);
  return (relation === "left" || relation === "above") && relationOf(middle, last, false) === relation;
}
