/** Places what a scene shows: tries one layout of its arrangement. */

import type { Draws } from "./draws.js";
import type { Box, Relation } from "./geometry.js";
import * as layout from "./layout.js";
import type { Arrangement } from "./scene.js";
import type { Thing } from "./things.js";

/** What a scene shows, before places are drawn. */
export interface Plan {
  readonly kind: Exclude<Arrangement["kind"], "untold">;
  readonly things: readonly Thing[];
  /** How many of each. */
  readonly counts: readonly number[];
  readonly relation?: Relation;
}

const lineOf = (axis: "row" | "column") => (axis === "row" ? layout.row : layout.column);

/** The boxes of each entity; null if they do not fit. */
export function arrange(
  draws: Draws,
  plan: Plan,
  extents: readonly layout.Extent[],
  size: number,
): { boxes: Box[][]; arrangement: Arrangement } | null {
  const [first, second, third] = extents as [layout.Extent, layout.Extent, layout.Extent];
  switch (plan.kind) {
    case "single": {
      const box = layout.anywhere(draws, first, size);
      return box && { boxes: [[box]], arrangement: { kind: "single" } };
    }
    case "group": {
      const all = Array.from({ length: plan.counts[0]! }, () => first);
      const shape = draws.pick(["row", "column", "scattered"] as const);
      const boxes =
        shape === "scattered"
          ? layout.scattered(draws, all, size)
          : lineOf(shape)(draws, all, size, size >> 3);
      return boxes && { boxes: [boxes], arrangement: { kind: "group", shape } };
    }
    case "pair": {
      const { relation = "left", counts } = plan;
      const isGroup = counts.some((count) => count > 1);
      if (isGroup && (relation === "front" || relation === "behind")) return null;
      const gap = Math.max(2, size >> 5);
      const blocks = [first, second].map((extent, i) => blockOf(extent, counts[i]!, draws.chance(50), gap));
      const found = layout.pair(draws, [blocks[0]!.extent, blocks[1]!.extent], relation, size);
      return (
        found && {
          boxes: found.map((box, i) => blocks[i]!.boxes(box)),
          arrangement: { kind: "pair", relation },
        }
      );
    }
    case "between": {
      const axis = draws.pick(["row", "column"] as const);
      const line = lineOf(axis)(draws, [second, first, third], size, size >> 2);
      if (line === null) return null;
      const [before, middle, after] = line as [Box, Box, Box];
      if (!layout.isBetween([middle, before, after])) return null;
      return { boxes: [[middle], [before], [after]], arrangement: { kind: "between", axis } };
    }
    case "corner": {
      const relation = draws.pick(["above", "below"] as const);
      const boxes = layout.corner(draws, [first, second, third], relation, size);
      return boxes && { boxes: boxes.map((box) => [box]), arrangement: { kind: "corner", relation } };
    }
  }
}

/** Several equal objects as one rectangle: in a row or in a column. */
function blockOf({ width, height }: layout.Extent, count: number, inRow: boolean, gap: number) {
  const [dx, dy] = inRow ? [width + gap, 0] : [0, height + gap];
  return {
    extent: { width: width + dx * (count - 1), height: height + dy * (count - 1) },
    boxes: ({ x, y }: Box): Box[] =>
      Array.from({ length: count }, (_, i) => ({ x: x + dx * i, y: y + dy * i, width, height })),
  };
}
