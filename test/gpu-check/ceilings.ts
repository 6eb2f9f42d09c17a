/** The bench's two ceilings with the WGSL that the runtime has: limits of the bench, and work to keep a device busy. */

import { ceilings } from "#bench/ceilings.js";
import type { Context } from "./phase.js";

export async function ceilingCases({ host }: Context) {
  return ceilings({ fma: await host.text("fma.wgsl"), copy: await host.text("copy.wgsl") });
}
