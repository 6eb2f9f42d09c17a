/** Boxes in pixels, and the spatial relations that captions state. Integers only. */

/** A rectangle: its top left pixel, and its size in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Relations from the first to the second: "a left of b". `front` needs the order of drawing, the others boxes alone. */
export const RELATIONS = ["left", "right", "above", "below", "front", "behind"] as const;
/** One of `RELATIONS`. */
export type Relation = (typeof RELATIONS)[number];

/** The same relation seen from the other side. */
export const INVERSE: Readonly<Record<Relation, Relation>> = {
  left: "right",
  right: "left",
  above: "below",
  below: "above",
  front: "behind",
  behind: "front",
};

/** The smallest box around all boxes; there must be at least one. */
export function union(boxes: readonly Box[]): Box {
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  const right = Math.max(...boxes.map((box) => box.x + box.width));
  const bottom = Math.max(...boxes.map((box) => box.y + box.height));
  return { x, y, width: right - x, height: bottom - y };
}

/** Rows [top, bottom) and columns [left, right) of a grid, both possibly empty. */
export interface CellRange {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** The cells whose middles lie in a box, of a grid of side × side over a picture of `size` pixels. */
export function cellsInside({ x, y, width, height }: Box, size: number, side: number): CellRange {
  const cell = size / side;
  // The first cell whose middle is at or after an edge.
  const first = (edge: number) => Math.min(side, Math.max(0, Math.ceil(edge / cell - 0.5)));
  return { top: first(y), bottom: first(y + height), left: first(x), right: first(x + width) };
}

/** Pixels that two boxes share. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

/**
 * Whether a is left of b: they share no column, and the way from centre to centre leads sideways, at most 3 up or down in 5.
 */
function isLeft(a: Box, b: Box): boolean {
  const across = 2 * b.x + b.width - 2 * a.x - a.width;
  const down = 2 * b.y + b.height - 2 * a.y - a.height;
  return a.x + a.width <= b.x && 5 * Math.abs(down) <= 3 * across;
}

const turned = ({ x, y, width, height }: Box): Box => ({ x: y, y: x, width: height, height: width });

/**
 * Whether a is in front of b, if it was drawn later: they share 1/8 to 1/2 of the smaller box, and a reaches down as far as b, to within
 * a quarter of b's height.
 */
function isFront(a: Box, b: Box): boolean {
  const shared = overlap(a, b);
  const smaller = Math.min(a.width * a.height, b.width * b.height);
  return 8 * shared >= smaller && 2 * shared <= smaller && 4 * (b.y + b.height - a.y - a.height) <= b.height;
}

/** The relation of a to b; null if none can be said. `aLater`: whether a was drawn after b. */
export function relationOf(a: Box, b: Box, aLater: boolean): Relation | null {
  if (isLeft(a, b)) return "left";
  if (isLeft(b, a)) return "right";
  if (isLeft(turned(a), turned(b))) return "above";
  if (isLeft(turned(b), turned(a))) return "below";
  if (aLater && isFront(a, b)) return "front";
  if (!aLater && isFront(b, a)) return "behind";
  return null;
}

/** Whether two boxes stand side by side: one left of the other, with at most 1/12 of the picture between them. */
export function areNextTo(a: Box, b: Box, size: number): boolean {
  const [first, second] = a.x < b.x ? [a, b] : [b, a];
  return isLeft(first, second) && 12 * (second.x - first.x - first.width) <= size;
}

/** Where a box's centre lies: 0 = left or top, 1 = middle, 2 = right or bottom; null between these. */
export function thirdOf(start: number, length: number, size: number): 0 | 1 | 2 | null {
  const centre = 2 * start + length;
  if (50 * centre < 36 * size) return 0;
  if (50 * centre > 64 * size) return 2;
  return 50 * centre >= 43 * size && 50 * centre <= 57 * size ? 1 : null;
}
