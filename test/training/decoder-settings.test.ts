/** Every key of the configuration that the decoder's training obeys does something. */

import { testEffects } from "./effects.js";

testEffects("decoder", "work");
