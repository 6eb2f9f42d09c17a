/** Files on disk: what is written is whole or absent, and every error names its path. */
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { UserError } from "../../dist/platform/errors.js";
import { findModulesDirectory, modulesDirectory, nodePlatform } from "../../dist/platform/node.js";

const { files } = nodePlatform;

async function message(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => new Error("nothing was thrown"),
    (thrown: unknown) => thrown,
  );
  return error instanceof UserError ? error.message : `not a UserError: ${error}`;
}

t.test("what is written is read back, and no temporary name stays", async (t) => {
  const folder = t.testdir();
  const path = join(folder, "x.bin");
  await files.write(path, new Uint8Array([1, 2, 255]));
  t.same([...(await files.read(path))], [1, 2, 255]);
  await files.write(path, "zwei\n");
  await files.append(path, "drei\n");
  t.equal(await files.readText(path), "zwei\ndrei\n");
  t.same(await files.list(folder), ["x.bin"]);
});

t.test("a write that fails leaves nothing behind", async (t) => {
  const folder = t.testdir({ taken: { inside: "" } });
  const path = join(folder, "taken");
  t.match(await message(files.write(path, "x")), `Cannot write ${path}: it is a folder`);
  t.same(readdirSync(folder), ["taken"]);
  const lost = join(folder, "no", "such", "x");
  t.match(
    await message(files.write(lost, "x")),
    `Cannot write ${lost}: the folder that should hold it does not`,
  );
});

t.test("a reader never sees half a file", async (t) => {
  const path = join(t.testdir(), "big");
  const size = 1 << 20;
  await files.write(path, new Uint8Array(size).fill(0));
  let done = false;
  const writer = (async () => {
    for (let i = 1; i <= 20; i++) await files.write(path, new Uint8Array(size).fill(i));
    done = true;
  })();
  let [torn, reads] = [0, 0];
  while (!done) {
    const bytes = await files.read(path);
    reads++;
    if (bytes.length !== size || bytes[0] !== bytes[size - 1]) torn++;
  }
  await writer;
  t.ok(reads > 0, `${reads} reads while it was written`);
  t.equal(torn, 0);
});

t.test("killed in the middle of writing, the old file is still whole", async (t) => {
  const folder = t.testdir({ big: "old" });
  const path = join(folder, "big");
  // Dies as soon as there is something beside the old file: the write has begun, and 256 MiB take a while.
  const code = `import { readdirSync } from "node:fs";
    import { nodePlatform } from ${JSON.stringify(new URL("../../dist/platform/node.js", import.meta.url).href)};
    const look = () => {
      if (readdirSync(${JSON.stringify(folder)}).length > 1) process.kill(process.pid, "SIGKILL");
      setImmediate(look);
    };
    look();
    await nodePlatform.files.write(${JSON.stringify(path)}, new Uint8Array(1 << 28));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code]);
  const signal = await new Promise((resolve) => child.on("exit", (_, signal) => resolve(signal)));
  t.equal(signal, "SIGKILL", "it was killed");
  t.equal(readdirSync(folder).length, 2, "while it wrote");
  t.equal(readFileSync(path, "utf8"), "old");
});

t.test("errors name the path and the reason", async (t) => {
  const folder = t.testdir({ plain: "x" });
  const missing = join(folder, "missing");
  t.equal(await message(files.read(missing)), `Cannot read ${missing}: it does not exist.`);
  t.equal(
    await message(files.readText(folder)),
    `Cannot read ${folder}: it is a folder, and a file was expected.`,
  );
  t.equal(await message(files.list(missing)), `Cannot list ${missing}: it does not exist.`);
  const under = join(folder, "plain", "x");
  t.match(
    await message(files.makeDirectory(under)),
    `Cannot make the folder ${under}: a part of its path is a file`,
  );
});

t.test("folders: made with parents, listed by code point, removed whole", async (t) => {
  const folder = t.testdir();
  const deep = join(folder, "a", "b");
  await files.makeDirectory(deep);
  await files.makeDirectory(deep);
  // U+FF5E sorts before U+1F600, though its UTF-16 unit is the larger.
  for (const name of ["😀", "~", "b", "a", "B"]) await files.write(join(deep, name), "");
  t.same(await files.list(deep), ["B", "a", "b", "~", "😀"]);
  t.ok(await files.isDirectory(deep));
  t.notOk(await files.isDirectory(join(deep, "a")));
  t.notOk(await files.isDirectory(join(deep, "none")));
  t.ok(await files.exists(join(deep, "a")));
  t.notOk(await files.exists(join(deep, "none")));
  await files.remove(join(folder, "a"));
  await files.remove(join(folder, "a"));
  t.same(await files.list(folder), []);
});

t.test("rename moves files and folders, and replaces nothing", async (t) => {
  const folder = t.testdir({ a: { x: "1" }, b: "2", empty: {} });
  await files.rename(join(folder, "a"), join(folder, "c"));
  t.equal(await files.readText(join(folder, "c", "x")), "1");
  for (const taken of ["b", "empty"]) {
    t.match(
      await message(files.rename(join(folder, "c"), join(folder, taken))),
      `Cannot rename ${join(folder, "c")} to ${join(folder, taken)}: the new name is taken.`,
    );
  }
  t.match(
    await message(files.rename(join(folder, "none"), join(folder, "d"))),
    /none to .*d: it does not exist/,
  );
});

t.test("hashes", async (t) => {
  const abc = new TextEncoder().encode("abc");
  t.equal(await nodePlatform.hash("sha-1", "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  t.equal(await nodePlatform.hash("sha-1", abc), "a9993e364706816aba3e25717850c26c9cd0d89d");
  t.equal(
    await nodePlatform.hash("sha-256", abc),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

t.test("installed packages are found, others are named", async (t) => {
  t.ok(await files.exists(join(modulesDirectory("webgpu"), "webgpu", "package.json")));
  t.ok(await files.exists(join(modulesDirectory("@iconify-json/noto"), "@iconify-json/noto", "icons.json")));
  t.equal(findModulesDirectory("@nobody/nothing"), null);
  t.throws(() => modulesDirectory("@nobody/nothing"), {
    name: "UserError",
    message: /@nobody\/nothing is not installed/,
  });
});

t.test("the first signal asks, the second ends the process", async (t) => {
  const code = `import { onInterrupt } from ${JSON.stringify(new URL("../../dist/platform/node.js", import.meta.url).href)};
    onInterrupt((signal) => {
      console.log("asked " + signal);
      // As where a driver or a file system does not answer: no JavaScript runs any more.
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
    });
    setInterval(() => {}, 1000);
    console.log("ready");`;
  for (const [first, second] of [
    ["SIGINT", "SIGINT"],
    ["SIGTERM", "SIGHUP"],
    ["SIGHUP", "SIGTERM"],
  ] as const) {
    // Without what tap adds to a child process: its own handlers of signals.
    const child = spawn("env", ["-u", "NODE_OPTIONS", process.execPath, "--input-type=module", "-e", code]);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk;
      if (output.includes("asked")) setTimeout(() => child.kill(second), 200);
      else child.kill(first);
    });
    const end = await new Promise((resolve) => child.on("exit", (_, signal) => resolve(signal)));
    t.equal(end, second, "by the signal itself, so that a shell tells 128 and its number");
    t.equal(output, `ready\nasked ${first}\n`);
  }
});

t.test("a path through a circle of links", async (t) => {
  const folder = t.testdir();
  symlinkSync("ring", join(folder, "ring"));
  mkdirSync(join(folder, "other"));
  t.match(await message(files.read(join(folder, "ring"))), /links run in a circle/);
});

t.test("what is in the way is told in words, not in error codes", async (t) => {
  const folder = t.testdir({ file: "x", full: { inside: "x" } });
  symlinkSync("ring", join(folder, "ring"));
  const long = join(folder, "n".repeat(300));
  for (const [name, action, pattern] of [
    [
      "a folder over a file",
      () => files.makeDirectory(join(folder, "file")),
      /something of that name already exists\.$/,
    ],
    [
      "a folder below a file",
      () => files.makeDirectory(join(folder, "file/below")),
      /a part of its path is a file/,
    ],
    [
      "a file over a folder",
      () => files.write(join(folder, "full"), "x"),
      /it is a folder, and a file was expected/,
    ],
    [
      "a file below a file",
      () => files.write(join(folder, "file/below"), "x"),
      /a part of its path is a file/,
    ],
    ["reading a folder", () => files.read(join(folder, "full")), /it is a folder, and a file was expected/],
    ["reading below a file", () => files.read(join(folder, "file/below")), /a part of its path is a file/],
    ["listing a file", () => files.list(join(folder, "file")), /a part of its path is a file/],
    ["appending to a folder", () => files.append(join(folder, "full"), "x"), /it is a folder/],
    ["a name that is too long", () => files.exists(long), /^Cannot look at .*its name is too long/],
    ["a circle of links is not nothing", () => files.exists(join(folder, "ring")), /links run in a circle/],
    ["nor no folder", () => files.isDirectory(join(folder, "ring")), /links run in a circle/],
  ] as const) {
    const said = await message(action());
    t.match(said, pattern, name);
    t.notMatch(said, /\bE[A-Z]{4,}\b/, name);
  }
  t.notOk(await files.exists(join(folder, "none")), "what is not there is not there");
  t.notOk(await files.exists(join(folder, "file/below")), "nor below a file");
});
