/** The kinds of decoder that share the preparation of pictures among captions. Others caption setting by setting, seed by seed. */

import { Registry } from "../platform/registry.js";
import { mcDiffusionSharing } from "./mc-diffusion/generate-many.js";
import type { SharedSamplingKind } from "./shared-sampling.js";

export const sharedSamplings = new Registry<SharedSamplingKind>("shared sampling", [mcDiffusionSharing]);
