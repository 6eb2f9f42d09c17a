/** Commands whose reader goes away (`| head`): never a stack trace, and no work for nobody. */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { writePictures } from "./pictures.js";

t.setTimeout(600_000);

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

/** Runs a script whose standard output is closed at its start, or once something has come. */
function withoutReader(script: string, args: readonly string[], afterOutput = false): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, script), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    if (afterOutput) child.stdout.once("data", () => child.stdout.destroy());
    else child.stdout.destroy();
    child.on("error", reject);
    child.on("exit", (code, signal) => setTimeout(() => resolve({ code, signal, stderr }), 20));
  });
}

const scripts = [
  "dist/train.js",
  "dist/caption.js",
  "dist/evaluate.js",
  "dist/inspect.js",
  "dist/import.js",
  "dist/encode.js",
  "dist/score.js",
  "dist/start.js",
  "kernels-bench/run.js",
  "kernels-bench/block-step.js",
  "kernels-bench/paper-scale.js",
  "kernels-bench/vqgan.js",
  "web/run.js",
  "dist-test/mutations/run.js",
  "dist-test/programs/command.js",
  "dist-test/torture/command.js",
  "dist-test/long-haul/command.js",
];

t.test("help for nobody", async (t) => {
  for (const script of scripts) {
    const { code, signal, stderr } = await withoutReader(script, ["--help"]);
    t.same({ code, signal, stderr }, { code: 0, signal: null, stderr: "" }, script);
  }
  for (const [script, ...args] of [
    ["dist/train.js", "--help-config"],
    ["dist-test/mutations/run.js", "--list"],
    ["dist-test/programs/command.js", "--count", "3", "--print"],
  ] as const) {
    const { code, stderr } = await withoutReader(script, args);
    t.equal(code, 0, `${script} ${args.join(" ")}: ${stderr}`);
    t.notMatch(stderr, /EPIPE|^ {4}at /m);
  }
});

t.test("commands of the tests' folder print their own help alone, nothing of the test library", async (t) => {
  for (const name of ["mutations/run", "programs/command", "torture/command", "long-haul/command"]) {
    const child = spawn(process.execPath, [join(root, `dist-test/${name}.js`), "--help"]);
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    await new Promise((resolve) => child.on("close", resolve));
    t.match(stdout, /^Usage: npm run [\w-]+ -- \[options\]\n/, name);
  }
});

t.test("captions that nobody reads are not made", async (t) => {
  const folder = t.testdir();
  const names = await writePictures(folder);
  const pictures = names.map((name) => join(folder, name));
  const { code, signal, stderr } = await withoutReader(
    "dist/caption.js",
    [...pictures, "--steps", "2", "--show"],
    true,
  );
  t.same([code, signal], [0, null], stderr);
  t.notMatch(stderr, /EPIPE|^ {4}at /m);
  const steps = stderr.match(/^t = /gm)?.length ?? 0;
  t.ok(steps > 0 && steps < 2 * pictures.length, `${steps} steps for ${pictures.length} pictures`);
});
