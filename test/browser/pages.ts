/** Runs test files in pages and hands tap what they find, as subtests with the names that they have in Node. */
import tap, { type Test } from "tap";
import { bundle } from "./bundle.js";
import { sharedBrowser } from "./chromium.js";
import type { Finding, PageTests } from "./host.js";
import { openPage, type TestBrowser } from "./launch.js";
import { serve } from "./server.js";

/** Registers a test for each of these modules, with their tests as its subtests. Each gets a page of its own, and may fetch `files`. */
export async function runInChromium(
  modules: readonly string[],
  files: ReadonlyMap<string, Uint8Array | string> = new Map(),
): Promise<void> {
  const site = await serve({ files: new Map([...files, ...(await bundle(modules))]) });
  tap.teardown(() => site.close());
  for (const name of modules) {
    tap.test(`in Chromium: ${name.replace(/(\.test)?\.js$/, "")}`, async (t) => {
      await runPage(t, await sharedBrowser(), `${site.url}/${name.replace(/js$/, "html")}`);
    });
  }
}

declare global {
  /** In a page of tests only. */
  var mcdTests: PageTests;
  /** Set once the page's module has run, awaits at its top included: only then are all tests declared. */
  var mcdLoaded: boolean;
}

/** Runs all tests of the page at `url` as subtests of `t`. A test during which the page complains fails. */
export async function runPage(t: Test, browser: TestBrowser, url: string): Promise<void> {
  const { page, problems } = await openPage(browser, url);
  try {
    // Where it never does, the test below tells why.
    await page.waitForFunction(() => globalThis.mcdLoaded, undefined, { timeout: 60_000 }).catch(() => {});
    const names = await page.evaluate(() => globalThis.mcdTests?.names ?? []);
    t.ok(names.length > 0, `the page has tests${names.length > 0 ? "" : `: ${problems.join("; ")}`}`);
    for (const [index, name] of names.entries()) {
      if (page.isClosed()) {
        t.fail("the browser is gone: the other tests of this page did not run");
        return;
      }
      await t.test(name, async (t) => {
        report(t, await page.evaluate((index) => globalThis.mcdTests.run(index), index));
        t.same(problems.splice(0), [], "no errors, warnings or uncaptured GPU errors in the page");
      });
    }
    await page.waitForTimeout(100);
    t.same(problems, [], "and none after the last test");
  } finally {
    await page.close();
  }
}

/** Hands tap what a test has found. */
export function report(t: Test, findings: readonly Finding[]): void {
  for (const finding of findings) {
    if ("comment" in finding) t.comment(finding.comment);
    else t.ok(finding.ok, finding.message, finding.detail === undefined ? {} : { detail: finding.detail });
  }
}
