/** The Chromium of the browser tests as one of the runtimes. */

import { bundle } from "../browser/bundle.js";
import { launch, openPage } from "../browser/launch.js";
import { serve } from "../browser/server.js";
import { pageTests } from "./page-tests.js";
import type { Runtime } from "./runtime.js";

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
      yield* pageTests(page, problems, (name) => {
        adapter = name;
      });
    },
    async close() {
      await launched.close();
      await site.close();
    },
  };
}
