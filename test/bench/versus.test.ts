/** `--vs` where there is nothing to compare with: wrong names, and the peers not installed, as after a plain `npm ci`. */
import { execFile } from "node:child_process";
import { cp, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

t.setTimeout(120_000);

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The bench in a folder of its own, without the peers that this checkout may have. */
async function benchWithoutPeers(folder: string): Promise<string> {
  const bench = join(folder, "kernels-bench");
  await cp(join(root, "kernels-bench"), bench, {
    recursive: true,
    filter: (source) => basename(source) !== "node_modules",
  });
  await symlink(join(root, "dist"), join(folder, "dist"));
  return join(bench, "run.js");
}

function run(path: string, ...options: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [path, ...options], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

t.test("without the peers it says in one sentence how to install them", async (t) => {
  const path = await benchWithoutPeers(t.testdir());
  for (const peers of ["tfjs,jax", "tfjs", "jax"]) {
    t.same(
      await run(path, "--vs", peers, "matmul"),
      {
        code: 1,
        stdout: "",
        stderr: "error: The engines to compare with are not installed; run npm ci --prefix kernels-bench.\n",
      },
      peers,
    );
  }
});

t.test("wrong usage ends with code 2", async (t) => {
  const path = join(root, "kernels-bench/run.js");
  for (const [options, message] of [
    [["--vs", "onnx"], /^error: --vs onnx: there is no peer "onnx"; choose from tfjs, jax\.\n$/],
    [["--vs", "tfjs,torch"], /no peer "torch"/],
    [["--vs", ","], /no peer ""/],
    [["--vs", "tfjs", "--check"], /--check is for this engine alone/],
    [["--other-shapes"], /--other-shapes is for --vs/],
  ] as const) {
    const { code, stderr } = await run(path, ...options);
    t.equal(code, 2, options.join(" "));
    t.match(stderr, message);
  }
});
