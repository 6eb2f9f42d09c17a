import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import t from "tap";

t.test("a wrong kernel call fails to compile", (t) => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const { status, stdout } = spawnSync("npx", ["tsc", "-p", "test/types"], { cwd: root, encoding: "utf8" });
  t.equal(status, 0, `every wrong call is an error and nothing else is\n${stdout}`);
  t.end();
});
