/** Adds the networks that the commands know beside those of `models/registry.ts`. Imported for this effect. */

import { bitDiffusion } from "../models/bit-diffusion/kind.js";
import { captionDecoders } from "../models/registry.js";

captionDecoders.add(bitDiffusion);
