/** The API report in docs/api/ is the API; and each export of the package is documented. */

import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { apiReports, doorsOf } from "./api-report.js";

// Both compile the whole package: seconds on a quiet machine.
t.setTimeout(600_000);
const root = fileURLToPath(new URL("../..", import.meta.url));

t.test("docs/api/ lists the names and signatures that the package exports", async (t) => {
  const reports = await apiReports(root);
  t.equal(reports.size, (await doorsOf(root)).length, "one report a door");
  const folder = join(root, "docs", "api");
  t.same((await readdir(folder)).sort(), [...reports.keys()].sort(), "a file for each, and no other");
  for (const [file, text] of reports) {
    const listed = await readFile(join(folder, file), "utf8").catch(() => "");
    t.equal(
      text,
      listed,
      `docs/api/${file} is out of date if this fails: run \`npm run api\` and commit it, so that a review sees the change`,
    );
  }
});

t.test("`npm run docs` finds no export without documentation and no broken link", (t) => {
  const typedoc = join(root, "node_modules", "typedoc", "bin", "typedoc");
  // tap hooks itself into child processes of Node through NODE_OPTIONS.
  const { status, stdout, stderr } = spawnSync(
    "env",
    ["-u", "NODE_OPTIONS", process.execPath, typedoc, "--options", "docs/typedoc.mjs", "--emit", "none"],
    { cwd: root, encoding: "utf8" },
  );
  t.equal(status, 0, `typedoc has no warnings\n${stdout}${stderr}`);
  t.end();
});
