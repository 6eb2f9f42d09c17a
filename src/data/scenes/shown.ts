/** What the places of a scene show: the entity nearest to the viewer at each cell of a grid. */

import { cellsInside } from "./geometry.js";
import type { Scene } from "./scene.js";

/**
 * Writes to `target` [side²], row by row, `numberOf` the entity that the cell shows, or `ground`. A cell shows the object drawn
 * last of those whose boxes contain its middle.
 */
export function shownAt(
  scene: Pick<Scene, "size" | "objects">,
  { side, numberOf, ground }: { side: number; numberOf: (entity: number) => number; ground: number },
  target: Uint32Array,
): void {
  target.fill(ground);
  for (const { box, entity } of scene.objects) {
    const number = numberOf(entity);
    const { top, bottom, left, right } = cellsInside(box, scene.size, side);
    for (let row = top; row < bottom; row++) target.fill(number, row * side + left, row * side + right);
  }
}
