/** Counting what is still alive, for tests that nothing stays behind. Node only. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Collects garbage until nothing more of it goes: what finalisers and settled promises held takes some rounds. */
export async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    collect();
  }
}

/** How many of the objects are still there once garbage has been collected. */
export async function aliveOf(objects: readonly WeakRef<object>[]): Promise<number> {
  await collectGarbage();
  return objects.filter((object) => object.deref() !== undefined).length;
}

/** Bytes of JavaScript objects and of their array buffers once garbage has been collected. */
export async function heapBytes(): Promise<number> {
  await collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
