/** The demo page without a network, after it was visited once. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { sharedBrowser } from "./chromium.js";
import { settled } from "./settled.js";
import { buildQuickSite, screenshotPath, serve } from "./site.js";

const patience = 200_000;
const folder = join(t.testdir(), "site");
await buildQuickSite(folder, 2);
const site = await serve(folder, 0);
let closed = false;
const close = async () => {
  if (!closed) await site.close();
  closed = true;
};
t.teardown(close);

t.test("visited once, the page comes up, captions and opens its tabs without a network", async (t) => {
  const { browser } = await sharedBrowser();
  const context = await browser.newContext({ serviceWorkers: "allow" });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  const captioned = page.locator('#panel-caption [data-finished="1"]');
  await page.goto(site.url);
  await captioned.waitFor();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
  // The worker takes the page over once all is stored.
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  const kept = () => page.evaluate(() => caches.keys());
  const pages = (names: string[]) => names.filter((name) => name.startsWith("mc-diffusion-page-"));
  const [first, ...more] = pages(await kept());
  t.ok(first !== undefined && more.length === 0, `one store of the page: ${await kept()}`);

  // With a network the newest page is shown, and the store of the former one goes.
  const workerPath = join(folder, "service-worker.js");
  const version = first!.replace("mc-diffusion-page-", "");
  writeFileSync(workerPath, readFileSync(workerPath, "utf8").replace(version, "another-version"));
  writeFileSync(join(folder, "style.css"), "body { outline: 3px solid; }", { flag: "a" });
  await page.reload();
  await captioned.waitFor();
  t.equal(
    await page.evaluate(() => getComputedStyle(document.body).outlineWidth),
    "3px",
    "a changed file is seen at once",
  );

  const stores = await settled(
    async () => pages(await kept()).join(),
    (names) => names === "mc-diffusion-page-another-version",
  );
  t.equal(stores, "mc-diffusion-page-another-version", "the former page's store is gone");

  await close();
  await context.setOffline(true);
  await page.reload();
  await captioned.waitFor();
  t.equal(
    await page.locator("#errors [data-source=captioner], #errors [data-source=gallery]").count(),
    0,
    "nothing is missing",
  );
  t.equal(
    await page.evaluate(() => getComputedStyle(document.body).outlineWidth),
    "3px",
    "as it was seen last",
  );
  await page.locator("#panel-caption .gallery button").nth(3).click();
  await page.locator('#panel-caption [data-finished="2"]').waitFor();
  for (const tab of ["guidance", "train", "kernels"]) {
    await page.locator(`#tab-${tab}`).click();
    await page.locator(`#panel-${tab} button`).first().waitFor();
    t.equal(await page.locator(`#errors [data-source="tab ${tab}"]`).count(), 0, `the tab ${tab} opens`);
  }
  await page.screenshot({ path: screenshotPath("offline-visit.png"), fullPage: true });
  await page.goto(`${site.url}embed.html`);
  t.match(await page.title(), /\w/, "the other page comes up too");
});
