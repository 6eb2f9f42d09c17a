/** What the places of a scene show: the thing nearest to the viewer at each cell of a grid. */

import { cellsInside } from "./geometry.js";
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
  target.fill(numbers.size);
  for (const { box, entity } of scene.objects) {
    const thing = numbers.get(scene.entities[entity]!.thing)!;
    const { top, bottom, left, right } = cellsInside(box, scene.size, side);
    for (let row = top; row < bottom; row++) target.fill(thing, row * side + left, row * side + right);
  }
}
