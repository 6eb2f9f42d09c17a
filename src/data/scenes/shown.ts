/** What the places of a scene show: the thing nearest to the viewer at each cell of a grid. */

import type { Scene } from "./scene.js";
import type { Thing } from "./things.js";

/**
 * Writes to `target` [side²], row by row, the thing's number, or as many as there are for the ground. A cell shows the object
 * drawn last of those whose boxes contain its middle.
 */
export function thingsAt(
  scene: Pick<Scene, "size" | "objects" | "entities">,
  numbers: ReadonlyMap<Thing, number>,
  side: number,
  target: Uint32Array,
): void {
  const cell = scene.size / side;
  target.fill(numbers.size);
  for (const { box, entity } of scene.objects) {
    const thing = numbers.get(scene.entities[entity]!.thing)!;
    const [top, bottom] = [first(box.y, cell), first(box.y + box.height, cell)];
    const [left, right] = [first(box.x, cell), first(box.x + box.width, cell)];
    for (let row = top; row < bottom; row++) target.fill(thing, row * side + left, row * side + right);
  }
}

/** The first cell whose middle is at or after a pixel's edge. */
function first(edge: number, cell: number): number {
  return Math.ceil(edge / cell - 0.5);
}
