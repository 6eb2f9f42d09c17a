/** `npm run api`: writes the API report to docs/api/. */

import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { apiReports } from "./api-report.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "docs", "api");
const reports = await apiReports(root);
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
for (const [file, text] of reports) await writeFile(join(folder, file), text);
console.log(`docs/api: ${[...reports.keys()].join(", ")}`);
