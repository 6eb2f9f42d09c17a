#!/usr/bin/env node
/** `npm run test:deno`, `test:firefox` … : the tests that need nothing of Node, in another program with WebGPU. */

import { commandLine, runCommand } from "../../dist/cli/options.js";
import { UserError } from "../../dist/platform/errors.js";
import { testFiles } from "../browser/test-files.js";
import { readDocuments, writeDocuments } from "../figures/documents.js";
import { served, modules as shortModules } from "./modules.js";
import { outcomeOf } from "./outcome.js";
import { RuntimeError } from "./runtime.js";
import { runtimeNames, startRuntime } from "./start.js";
import { recordRun } from "./table.js";

await runCommand(async () => {
  const command = commandLine(
    "node dist-test/runtimes/command.js",
    "Runs the tests of kernels, gradients, training and captions in another program with WebGPU. The exit status is 1 if any fails.",
  )
    .argument("<runtime>", `one of ${runtimeNames.join(", ")}`)
    .option("--short", "every op, one training and one caption, as the tests of this project run them", false)
    .option("--only <text>", "only files whose path has this text")
    .option(
      "--record",
      "write the totals into docs/figures/browsers.json and docs/browsers.md, as a run of all does by itself",
    )
    .option("--no-record", "leave these files as they are")
    .parse();
  const { short, only = "", ...asked } = command.opts<{ short: boolean; only?: string; record?: boolean }>();
  const [name] = command.args as [string];
  const record = asked.record ?? (!short && only === "");
  if (record && only !== "") throw new UserError("--record takes a run without --only.", 2);
  const modules = (short ? shortModules : [...testFiles(), ...shortModules]).filter((file) =>
    file.includes(only),
  );
  if (modules.length === 0) throw new UserError(`No test file has "${only}" in its path.`, 2);
  const runtime = await startRuntime(name, [...new Set(modules)], await served());
  if ("missing" in runtime) throw new UserError(`${runtime.missing}.`);
  const totals = { passed: 0, failed: 0, skipped: 0 };
  const ran = new Map<string, number>();
  const began = performance.now();
  try {
    for (const module of new Set(modules)) {
      const start = performance.now();
      const before = { ...totals };
      const lines: string[] = [];
      try {
        for await (const result of runtime.tests(module)) {
          const outcome = outcomeOf(result);
          totals[outcome]++;
          if (outcome !== "failed") continue;
          lines.push(`   ${result.name}`, ...result.problems.map((problem) => `      ${problem}`));
          for (const finding of result.findings)
            if ("ok" in finding && !finding.ok)
              lines.push(
                `      ${finding.message}`,
                ...(finding.detail ? [`        ${finding.detail}`] : []),
              );
        }
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw error;
        totals.failed++;
        lines.push(`   ${error.message}`);
      }
      const tests =
        totals.passed + totals.failed + totals.skipped - before.passed - before.failed - before.skipped;
      ran.set(module, tests);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(
        `${totals.failed > before.failed ? "FAILED" : "passed"} ${module.replace(/(\.test)?\.js$/, "")} (${tests} tests, ${seconds} s)`,
      );
      for (const line of lines) console.log(line);
    }
    const minutes = (performance.now() - began) / 60_000;
    const adapter = await runtime.adapter();
    console.log(
      `\n${runtime.version}, ${runtime.implementation} on ${adapter}: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped, ${minutes.toFixed(1)} min`,
    );
    if (record) {
      const { version, implementation } = runtime;
      await recordRun({
        runtime: version,
        implementation,
        adapter,
        what: short ? "short form" : "all",
        totals,
        tests: ran,
      });
      for (const document of await writeDocuments(await readDocuments())) console.log(`written: ${document}`);
    }
  } finally {
    await runtime.close();
  }
  if (totals.failed > 0) process.exitCode = 1;
});
