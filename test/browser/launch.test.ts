/** The browser and the reporting of pages are themselves right: nothing that a page complains of or fails at gets lost. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { UserError } from "../../dist/platform/errors.js";
import { bundle } from "./bundle.js";
import { sharedBrowser } from "./chromium.js";
import { launch, openPage } from "./launch.js";
import { serve } from "./server.js";
import { settled } from "./settled.js";

t.test("what a page complains of is kept, whatever way it complains", async (t) => {
  const complaints = `<!doctype html><script>
    console.log("not this");
    console.warn("a warning");
    console.error("an error");
    setTimeout(() => { throw new Error("thrown"); });
    Promise.reject(new Error("rejected"));
  </script><img src="/missing.png">`;
  const site = await serve({ files: new Map([["/index.html", complaints]]) });
  const { page, problems } = await openPage(await sharedBrowser(), `${site.url}/`);
  await settled(
    async () => problems.length,
    (count) => count >= 5,
  );
  // None comes after them, or twice.
  await page.waitForTimeout(200);
  t.same(
    [...problems].sort(),
    [
      "console error: Failed to load resource: the server responded with a status of 404 (Not Found)",
      "console error: an error",
      "console warning: a warning",
      "not caught: rejected",
      "not caught: thrown",
    ],
    "all five",
  );
  t.equal(await page.evaluate(() => crossOriginIsolated), true, "the page is cross-origin isolated");
  await page.close();
  await site.close();
});

t.test("tests that fail in a page are seen to fail", async (t) => {
  const site = await serve({ files: await bundle(["browser/failing.js"]) });
  const { page, problems } = await openPage(await sharedBrowser(), `${site.url}/browser/failing.html`);
  const run = (index: number) => page.evaluate((index) => globalThis.mcdTests.run(index), index);
  const failed = await run(0);
  t.equal(failed.length, 11, "ten assertions and the exception");
  for (const finding of failed) {
    if ("comment" in finding) t.fail("no comment was made");
    else t.equal(finding.ok, false, finding.message);
  }
  t.same(
    (await run(1)).map((finding) => "ok" in finding && finding.ok),
    [true, true],
    "what holds is seen to hold",
  );
  t.same(problems, [], "all of that without a word on the console");
  await run(2);
  // The browser may warn of it in its own words, too.
  const told = problems.map(String).filter((problem) => problem.includes("uncaptured: "));
  t.equal(told.length, 1, "a GPU error that nobody waits for, as soon as the test has ended");
  await page.close();
  await site.close();
});

t.test("a module that needs Node is not bundled for a page", async (t) => {
  await t.rejects(bundle(["training/resume.test.js"]), /Could not resolve "node:/);
});

t.test("files are served from memory and from a folder, and from nowhere else", async (t) => {
  const folder = join(t.testdir(), "public");
  mkdirSync(folder);
  writeFileSync(join(folder, "index.html"), "page");
  writeFileSync(join(folder, "..", "secret"), "secret");
  const { url, close } = await serve({ folder, files: new Map([["/made.js", "1"]]) });
  const get = async (path: string) => {
    const response = await fetch(url + path);
    return [response.status, response.headers.get("content-type"), await response.text()];
  };
  t.same(await get("/"), [200, "text/html; charset=utf-8", "page"]);
  t.same(await get("/made.js"), [200, "text/javascript; charset=utf-8", "1"]);
  t.equal((await get("/none"))[0], 404);
  t.equal((await get("/..%2fsecret"))[0], 404);
  t.equal((await get("/%2e%2e/secret"))[0], 404);
  t.equal((await get("/%zz"))[0], 404, "an address that cannot be decoded");
  await close();
});

t.test("a browser that does not start is told in one sentence", async (t) => {
  const before = process.env.MCD_CHROMIUM;
  t.teardown(() => {
    if (before === undefined) delete process.env.MCD_CHROMIUM;
    else process.env.MCD_CHROMIUM = before;
  });
  for (const [path, pattern] of [
    ["/nowhere/chromium", /^MCD_CHROMIUM names \/nowhere\/chromium, which does not exist\.$/],
    [
      "/bin/false",
      /^Chromium does not start here \([^\n]+\); MCD_CHROMIUM=\/path\/to\/chromium takes another one\.$/,
    ],
  ] as const) {
    process.env.MCD_CHROMIUM = path;
    const error = await launch().catch((thrown: unknown) => thrown);
    t.ok(error instanceof UserError, "typed");
    t.match((error as Error).message, pattern);
  }
});
