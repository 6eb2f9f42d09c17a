/** Registry entry of a network that a configuration can choose by name. */

import type { Settings } from "../config/schema.js";

/** A kind of network: its name, settings and checks. */
export interface ModelKind {
  /** As in config.json: "vqvae", "mc-diffusion". */
  readonly name: string;
  /** The section of the configuration that holds its settings. A kind from outside has a separate section. */
  readonly section: string;
  /** The keys of that section. */
  readonly settings: Settings;
  /** Keys that a trained network's weights depend on, in full ("vqvae.codes"). A run keeps them to its end. */
  readonly fixed: readonly string[];
  /** Settings that determine the memory of a training step and of using the network; full keys, for messages. */
  readonly memory: { readonly step: readonly string[]; readonly use: readonly string[] };
  /** Describes a conflict between these settings in a sentence; null if there is none. */
  check?(config: Readonly<Record<string, unknown>>): string | null;
}
