/** What the registry knows of a network that a configuration can choose by name. */

import type { Settings } from "../config/schema.js";

/** A kind of network: its name, settings and checks. */
export interface ModelKind {
  /** As in config.json: "vqvae", "mc-diffusion". */
  readonly name: string;
  /** The section of the configuration that holds its settings. A kind from outside has one of its own. */
  readonly section: string;
  /** The keys of that section. */
  readonly settings: Settings;
  /** Keys that a trained network's weights depend on, whole ("vqvae.codes"): a run keeps them to its end. */
  readonly fixed: readonly string[];
  /** Settings that decide the memory of a training step and of using the network; whole keys, for messages. */
  readonly memory: { readonly step: readonly string[]; readonly use: readonly string[] };
  /** What cannot be with these settings together, as a sentence; null if all can. */
  check?(config: Readonly<Record<string, unknown>>): string | null;
}
