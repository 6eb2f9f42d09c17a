/** Files of the check in this repository. Node only. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The stored losses, by which the phase `training` is judged. */
export const quickLossesFile = join(root, "test/gpu-check/quick-losses.json");

/** The WGSL of the bench's two ceilings. */
export const ceilingFiles = {
  fma: join(root, "shaders/common/fma.wgsl"),
  copy: join(root, "kernels-bench/copy.wgsl"),
};

/** The compiled test modules are below it. */
export const testFolder = join(root, "dist-test");
