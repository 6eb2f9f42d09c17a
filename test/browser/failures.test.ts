/** No WebGPU, no adapter, a GPU process that dies: typed errors with sentences that say what to do. */
import tap from "tap";
import { bundle } from "./bundle.js";
import { sharedBrowser } from "./chromium.js";
import type { PageFailures } from "./failures-page.js";
import { goTo, launch, openPage } from "./launch.js";
import { serve } from "./server.js";

declare global {
  /** In a page of `failures-page.ts` only. */
  var mcdFailures: PageFailures;
}

const site = await serve({ files: await bundle(["browser/failures-page.js"]) });
tap.teardown(() => site.close());
const url = `${site.url}/browser/failures-page.html`;

tap.test("a browser that gives no adapter", async (t) => {
  const browser = await launch({ webgpu: false });
  t.teardown(() => browser.close());
  const { page, problems } = await openPage(browser, url);
  const error = await page.evaluate(() => globalThis.mcdFailures.open());
  t.equal(error?.type, "UserError", "typed");
  t.match(error?.message, /^This browser has WebGPU but offers no graphics adapter/, "says what is missing");
  t.same(problems, ["console warning: No available adapters."], "Chromium itself says no more");
});

tap.test("a file that the server does not have", async (t) => {
  const { page } = await openPage(await sharedBrowser(), url);
  const { exists, read } = await page.evaluate(() => globalThis.mcdFailures.missingFile());
  t.equal(exists, false, "it does not exist");
  t.same(
    read,
    { type: "UserError", message: "Cannot fetch /none: the server answered with status 404." },
    "and says so",
  );
  await page.close();
});

tap.test("a browser without WebGPU", async (t) => {
  const { browser } = await sharedBrowser();
  const page = await browser.newPage();
  await page.addInitScript("Object.defineProperty(navigator, 'gpu', { value: undefined })");
  await goTo(page, url);
  const error = await page.evaluate(() => globalThis.mcdFailures.open());
  t.equal(error?.type, "UserError", "typed");
  t.match(error?.message, /^WebGPU is not available here: it needs a browser/, "says what it takes");
  await page.close();
});

tap.test("the GPU process dies in the middle of work", async (t) => {
  const browser = await launch();
  t.teardown(() => browser.close());
  const { page } = await openPage(browser, url);
  await page.evaluate(() => globalThis.mcdFailures.start());
  const session = await browser.browser.newBrowserCDPSession();
  // Its answer does not come: the process is gone.
  session.send("Browser.crashGpuProcess").catch(() => {});
  const { pending, later } = await page.evaluate(() => globalThis.mcdFailures.outcome());
  t.equal(pending?.type, "DeviceLostError", "what was waited for fails, typed");
  t.match(pending?.message, /^the GPU device was lost \(unknown\)/, "and says why");
  t.equal(later?.type, "DeviceLostError", "so does what is asked for later");
  t.equal(
    await page.evaluate(() => globalThis.mcdFailures.recover()),
    6,
    "a new device works in the same page",
  );
});
