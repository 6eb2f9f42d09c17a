/** Messages between the Kernels tab and its worker. */

import type { Report } from "../../../kernels-bench/report.js";

export type { Report };

export type Order =
  | {
      type: "measure";
      /** A family or a part of a case's name; undefined: all cases. */
      filter: string | undefined;
      /** As `--sizes` of the command. */
      sizes: string;
      /** Also compare each case with its float64 reference. */
      check: boolean;
    }
  | { type: "cancel" };

export type News =
  | { type: "progress"; text: string }
  | { type: "report"; report: Report }
  | { type: "cancelled" }
  | { type: "failed"; message: string };
