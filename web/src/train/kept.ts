/** The run that the browser stores for this page, across reloads. */

import { opfsFiles } from "../../../dist/index.js";
import { type LogEntry, RunFolder } from "../../../dist/report.js";

/** Its path in the origin private file system. There is one run at a time. */
export const runPath = "training";

/** The log of the stored run; null if there is none. Throws a `UserError` if the browser's storage cannot be read. */
export async function keptLog(): Promise<readonly LogEntry[] | null> {
  if (!(await opfsFiles.exists(`${runPath}/data/dataset.json`))) return null;
  return (await RunFolder.open(opfsFiles, runPath)).readLog();
}
