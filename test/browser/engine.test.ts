/**
 * The tests of kernels, autograd, random numbers, models and training steps in headless Chromium: the compiled files that Node
 * runs, unchanged. `bundle.ts` says which.
 */
import tap from "tap";
import { bundle, pageTests } from "./bundle.js";
import { sharedBrowser } from "./chromium.js";
import { runPage } from "./pages.js";
import { serve } from "./server.js";

const names = pageTests();
const site = await serve({ files: await bundle(names) });
tap.teardown(() => site.close());

for (const name of names) {
  tap.test(`in Chromium: ${name.replace(/\.js$/, "")}`, async (t) => {
    await runPage(t, await sharedBrowser(), `${site.url}/${name.replace(/js$/, "html")}`);
  });
}
