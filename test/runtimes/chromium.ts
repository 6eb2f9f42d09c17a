/** The Chromium of the browser tests as one of the runtimes. */

import { bundle } from "../browser/bundle.js";
import { launch, openPage } from "../browser/launch.js";
import { serve } from "../browser/server.js";
import { type Runtime, RuntimeError } from "./runtime.js";

/** Starts Chromium for the tests of `modules`, which may fetch `files`. */
export async function startChromium(
  modules: readonly string[],
  files: ReadonlyMap<string, string | Uint8Array>,
): Promise<Runtime> {
  const launched = await launch();
  const site = await serve({ files: new Map([...files, ...(await bundle(modules))]) });
  let adapter = "";
  return {
    version: `Chromium ${launched.browser.version()}`,
    implementation: "Dawn",
    async adapter() {
      return adapter;
    },
    async *tests(module) {
      const { page, problems } = await openPage(launched, `${site.url}/${module.replace(/js$/, "html")}`);
      try {
        const all = await page.evaluate(() => globalThis.mcdTests?.all ?? []);
        if (all.length === 0) throw new RuntimeError(`the page has no tests: ${problems.join("; ")}`);
        adapter ||= await page.evaluate(() => globalThis.mcdTests.adapter());
        for (const { index, name } of all) {
          const findings = await page.evaluate((index) => globalThis.mcdTests.run(index), index);
          yield { name, findings, problems: problems.splice(0) };
        }
      } finally {
        await page.close();
      }
    },
    async close() {
      await launched.close();
      await site.close();
    },
  };
}
