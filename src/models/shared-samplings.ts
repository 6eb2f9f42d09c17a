/** The kinds of decoder whose captions of the same pictures share work. */

import { Registry } from "../platform/registry.js";
import { mcDiffusionSharing } from "./mc-diffusion/generate-many.js";
import type { SharedSamplingKind } from "./shared-sampling.js";

/** Shared sampling by kind of decoder. Captions of other decoders are drawn setting by setting, seed by seed. */
export const sharedSamplings = new Registry<SharedSamplingKind>("shared sampling", [mcDiffusionSharing]);
