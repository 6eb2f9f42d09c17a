/** Scenes as pixels: the ground, then one drawing after the other, blended in integers. */

import { paintGround } from "./background.js";
import type { Box } from "./geometry.js";
import type { Scene } from "./scene.js";
import type { SpriteSheet } from "./sprites.js";
import { SOLID, type Sprite } from "./sprites.js";

/** Writes a scene's picture [size, size, 3] to `target`. Without the objects `hidden`, if given. */
export function compose(
  scene: Scene,
  sheet: Pick<SpriteSheet, "sprite">,
  target: Uint8Array,
  hidden: ReadonlySet<number> = new Set(),
): void {
  const { size } = scene;
  if (target.length !== size * size * 3)
    throw new RangeError(
      `compose: a picture of side ${size} has ${size * size * 3} bytes, not ${target.length}`,
    );
  paintGround(scene.ground, size, target);
  for (const [number, { box, mirrored }] of scene.objects.entries()) {
    if (hidden.has(number)) continue;
    const { width, height, data } = spriteOf(scene, sheet, number);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = (y * width + (mirrored ? width - 1 - x : x)) * 4;
        const alpha = data[from + 3]!;
        if (alpha === 0) continue;
        const at = ((box.y + y) * size + box.x + x) * 3;
        for (let c = 0; c < 3; c++) target[at + c] = data[from + c]! + shareOf(target[at + c]!, 255 - alpha);
      }
    }
  }
}

/** value · share / 255, rounded. */
function shareOf(value: number, share: number): number {
  return Math.floor((value * share + 127) / 255);
}

function spriteOf(scene: Scene, sheet: Pick<SpriteSheet, "sprite">, number: number): Sprite {
  const { entity, side } = scene.objects[number]!;
  const { vendor, drawing } = scene.entities[entity]!;
  return sheet.sprite(vendor, drawing.code, side);
}

/** Alpha of an object's drawing at pixels of the picture; 0 outside of its box. */
function alphaOf(
  scene: Scene,
  sheet: Pick<SpriteSheet, "sprite">,
  number: number,
): (x: number, y: number) => number {
  const { box, mirrored } = scene.objects[number]!;
  const { width, height, data } = spriteOf(scene, sheet, number);
  return (x, y) => {
    const [dx, dy] = [x - box.x, y - box.y];
    if (dx < 0 || dy < 0 || dx >= width || dy >= height) return 0;
    return data[(dy * width + (mirrored ? width - 1 - dx : dx)) * 4 + 3]!;
  };
}

/** Percent of an object's solid pixels that another one, drawn later, covers. */
export function coveredPercent(
  scene: Scene,
  sheet: Pick<SpriteSheet, "sprite">,
  { object, by }: { object: number; by: number },
): number {
  const { box } = scene.objects[object]!;
  const [own, over] = [alphaOf(scene, sheet, object), alphaOf(scene, sheet, by)];
  let [solid, covered] = [0, 0];
  for (let y = box.y; y < box.y + box.height; y++) {
    for (let x = box.x; x < box.x + box.width; x++) {
      if (own(x, y) < SOLID) continue;
      solid++;
      if (over(x, y) >= 128) covered++;
    }
  }
  return Math.floor((100 * covered) / Math.max(1, solid));
}

/**
 * The box of the visible part of each object: the pixels of which it makes up at least `SOLID` of 255, which is its alpha times what
 * the objects drawn later let through. Null for an object that is hidden altogether.
 */
export function visibleBoxes(scene: Scene, sheet: Pick<SpriteSheet, "sprite">): (Box | null)[] {
  const alphas = scene.objects.map((_, number) => alphaOf(scene, sheet, number));
  return scene.objects.map(({ box }, number) => {
    let [left, top, right, bottom] = [scene.size, scene.size, 0, 0];
    for (let y = box.y; y < box.y + box.height; y++) {
      for (let x = box.x; x < box.x + box.width; x++) {
        let seen = alphas[number]!(x, y);
        for (let later = number + 1; later < scene.objects.length && seen >= SOLID; later++)
          seen = shareOf(seen, 255 - alphas[later]!(x, y));
        if (seen < SOLID) continue;
        [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
      }
    }
    return right > left ? { x: left, y: top, width: right - left, height: bottom - top } : null;
  });
}
