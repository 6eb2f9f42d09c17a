import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import t from "tap";

t.test("a wrong kernel call fails to compile", (t) => {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const compiler = createRequire(import.meta.url)
    .resolve("@typescript/native/package.json")
    .replace("package.json", "bin/tsc");
  // tap hooks itself into child processes of Node through NODE_OPTIONS, which the compiler does not survive.
  const command = ["-u", "NODE_OPTIONS", process.execPath, compiler, "-p", "test/types"];
  const { status, stdout, stderr } = spawnSync("env", command, {
    cwd: root,
    encoding: "utf8",
  });
  t.equal(status, 0, `every wrong call is an error and nothing else is\n${stdout}${stderr}`);
  t.end();
});
