/** The short form as tests of this project: every op, one training and one caption in another program with WebGPU. */

import tap from "tap";
import { report } from "../browser/pages.js";
import { modules, served } from "./modules.js";
import { startRuntime } from "./start.js";

// Software adapters compile some kernels for seconds.
tap.setTimeout(1_100_000);

/** Registers a test for each module, with its tests as subtests; one that is skipped, with a sentence why, where the runtime is not installed. */
export async function runShort(name: string, chosen: readonly string[] = modules): Promise<void> {
  const runtime = await startRuntime(name, chosen, await served());
  if ("missing" in runtime) {
    tap.test(`in ${name}`, { skip: runtime.missing }, () => {});
    return;
  }
  tap.teardown(() => runtime.close());
  for (const module of chosen) {
    tap.test(`in ${runtime.version}: ${module.replace(/(\.test)?\.js$/, "")}`, async (t) => {
      let count = 0;
      for await (const result of runtime.tests(module)) {
        count++;
        await t.test(result.name, async (t) => {
          report(t, result.findings);
          t.same(result.problems, [], "no errors and warnings");
        });
      }
      t.ok(count > 0, "there are tests");
    });
  }
}
