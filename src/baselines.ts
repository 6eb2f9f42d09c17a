/**
 * The baselines of the paper, `mc-diffusion/baselines`: caption decoders that a configuration can name as `model` once this entry
 * is imported. Commands have them; a page imports them before it loads such a captioner. Separate from `mc-diffusion`, whose
 * bundle does not include them.
 *
 * @module mc-diffusion/baselines
 */

import { attentionLstm, lstm } from "./models/lstm/kind.js";
import { captionDecoders } from "./models/registry.js";
import { transformer } from "./models/transformer/kind.js";

for (const kind of [transformer, lstm, attentionLstm]) captionDecoders.add(kind);

export { attentionLstm, lstm, transformer };
