/** Settings of the recurrent decoders: the section `lstm`. */

import { type ConfigOf, integer } from "../../config/schema.js";
import { autoregressiveSettings } from "../autoregressive/settings.js";

export const lstmSettings = {
  ...autoregressiveSettings,
  width: integer(512, 1, 8192, "numbers of the LSTM's hidden state and of its cell state"),
  embedding: integer(512, 1, 8192, "numbers of a word's vector"),
  attention: integer(
    128,
    1,
    8192,
    "hidden numbers of the additive attention (attention-lstm): width of the layer that compares the state with a place of the picture",
  ),
} as const;

export type LstmSettings = ConfigOf<typeof lstmSettings>;
