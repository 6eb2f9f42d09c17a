/** A run for tests. */

import type { RunListing } from "../../../dist/report/runs/listing.js";

export function listing(id: string, changes: Partial<RunListing> = {}): RunListing {
  return {
    id,
    state: "finished",
    config: { seed: 1, model: "mc-diffusion", imageTokenizer: "vqvae", decoder: { dim: 128, steps: 100 } },
    stages: [],
    isRead: true,
    lines: 0,
    problems: [],
    scores: [],
    samples: [],
    data: null,
    note: { text: "", version: null },
    hasReport: false,
    changed: 0,
    revision: 1,
    ...changes,
  };
}
