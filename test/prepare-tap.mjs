// tap bakes the choice of plugins of .taprc into a generated package, which takes some 10 seconds: once after each npm ci.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const generated = `${root}node_modules/@tapjs/test/test-built/dist/esm/index.js`;
if (readFileSync(generated, "utf8").includes("@tapjs/typescript")) {
  execFileSync(process.execPath, [`${root}node_modules/tap/dist/esm/run.mjs`, "build"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
}
