/** What the Kernels tab and its worker tell each other. */

import type { Report } from "../../../kernels-bench/report.js";

export type { Report };

export type Order =
  | {
      type: "measure";
      /** A family or a part of a case's name; all without it. */
      filter: string | undefined;
      /** What `--sizes` of the command takes. */
      sizes: string;
      /** Compare each case with its float64 reference too. */
      check: boolean;
    }
  | { type: "cancel" };

export type News =
  | { type: "progress"; text: string }
  | { type: "report"; report: Report }
  | { type: "cancelled" }
  | { type: "failed"; message: string };
