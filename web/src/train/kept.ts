/** The run that the browser keeps for this page, between reloads. */

import { opfsFiles } from "../../../dist/index.js";
import { type LogEntry, RunFolder } from "../../../dist/report.js";

/** Its place in the origin's own file system; there is one at a time. */
export const runPath = "training";

/** The log of the run that is kept; null if there is none. Throws a `UserError` if the browser's storage cannot be read. */
export async function keptLog(): Promise<readonly LogEntry[] | null> {
  if (!(await opfsFiles.exists(`${runPath}/data/dataset.json`))) return null;
  return (await RunFolder.open(opfsFiles, runPath)).readLog();
}
