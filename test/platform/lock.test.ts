import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import t from "tap";
import { lockFolder } from "../../dist/platform/lock.js";

const module = JSON.stringify(new URL("../../dist/platform/lock.js", import.meta.url).href);

/** A process that locks `folder` and stays. */
async function holder(folder: string) {
  const code = `import { lockFolder } from ${module};
    await lockFolder(${JSON.stringify(folder)});
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

t.test("a folder is one process's until it ends, however it ends", async (t) => {
  const folder = t.testdir();
  const child = await holder(folder);
  await t.rejects(lockFolder(folder), {
    name: "UserError",
    message: new RegExp(`${folder} is in use by process ${child.pid}; wait for it, or remove .*lock.json`),
  });
  child.kill("SIGKILL");
  await once(child, "exit");
  t.ok(existsSync(`${folder}/lock.json`), "a killed process leaves its lock");
  const release = await lockFolder(folder);
  await t.rejects(lockFolder(folder), { message: new RegExp(`in use by process ${process.pid};`) });
  release();
  t.notOk(existsSync(`${folder}/lock.json`), "nothing is left");
  (await lockFolder(folder))();
});

t.test("locks of processes that are gone, of other machines, and no locks at all", async (t) => {
  const folder = t.testdir();
  const write = (text: string) => writeFileSync(`${folder}/lock.json`, text);
  write(JSON.stringify({ pid: process.pid, host: hostname(), started: "1" }));
  (await lockFolder(folder))();
  t.pass("a process of the same number that started at another time is another");
  for (const text of ["", "{", "[]", '{"pid":-1,"host":"a","started":""}']) {
    write(text);
    (await lockFolder(folder))();
  }
  t.pass("what is no lock is replaced");
  write(JSON.stringify({ pid: 1, host: "elsewhere", started: "" }));
  await t.rejects(lockFolder(folder), { message: /in use by process 1 on elsewhere/ });
  await t.rejects(lockFolder(`${folder}/nowhere`), { name: "UserError", message: /Cannot write/ });
});
