/** Settings of the VQ-VAE and of the stage that trains an image tokenizer: the section `vqvae`. */

import { type ConfigOf, choice, DECAYS, flag, integer, MANY, number } from "../../config/schema.js";

export const vqvaeSettings = {
  channels: integer(32, 8, 1024, "channels after the first halving; each further one doubles them"),
  codes: integer(512, 2, 8192, "codebook size K (paper: 2886)"),
  codeDim: integer(64, 1, 1024, "numbers in a code vector"),
  downsample: integer(3, 1, 6, "halvings f: an S×S picture becomes (S/2^f)×(S/2^f) codes"),
  resBlocks: integer(1, 1, 8, "residual blocks at the code grid, in encoder and decoder"),
  attention: flag(false, "self-attention over the code grid"),
  reconstruction: choice(
    "both",
    ["l2", "l1", "both"],
    "error of the reconstruction: mean square, mean absolute, or their sum",
  ),
  naming: number(
    0,
    0,
    100,
    "weight of the loss of naming, by the codes, the thing at each place, for data that tell it (scenes); paper: 0",
  ),
  commitment: number(0.25, 0, 100, "weight of the commitment loss |z − sg(e)|²"),
  decay: number(0.99, 0, 0.99999, "decay of the codebook's moving averages"),
  steps: integer(1600, 1, MANY, "training steps"),
  batch: integer(32, 1, 65535, "pictures a step"),
  learningRate: number(1e-3, 0, 1, "peak learning rate of AdamW"),
  warmup: integer(100, 0, MANY, "steps of linear warm-up"),
  learningRateDecay: choice("cosine", DECAYS, "the learning rate after the warm-up; the last two end at 0"),
  restartAfter: integer(
    40,
    0,
    MANY,
    "move a code unused for this many steps to an encoder output of the batch; 0 = never",
  ),
} as const;

export type VqVaeSettings = ConfigOf<typeof vqvaeSettings>;
