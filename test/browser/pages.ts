/** Runs test files in pages and hands tap what they find, as subtests with the names that they have in Node. */
import tap, { type Test } from "tap";
import { bundle, TOGETHER } from "./bundle.js";
import { sharedBrowser } from "./chromium.js";
import type { Finding, PageTest, PageTests } from "./host.js";
import { openPage, type TestBrowser } from "./launch.js";
import { serve } from "./server.js";
import { shortForm } from "./short-form.js";

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

/**
 * The short form of `runInChromium`: one page, in which the modules share a device, runs the first test of each and those of
 * `short-form.ts`. What the engine computes does not depend on the platform: Node runs the other tests, and so do pages with
 * MCD_TESTS=whole.
 */
export async function runSomeInChromium(modules: readonly string[]): Promise<void> {
  const site = await serve({ files: await bundle(modules) });
  tap.teardown(() => site.close());
  tap.test("in Chromium: the first test of each file", async (t) => {
    await runPage(t, await sharedBrowser(), `${site.url}/${TOGETHER}`, (all) => {
      const chosen = shortForm(modules, all);
      t.notOk(chosen.includes(undefined), "each file has a first test, and each of the others is there");
      return chosen.filter((test) => test !== undefined);
    });
  });
}

declare global {
  /** In a page of tests only. */
  var mcdTests: PageTests;
}

/**
 * Runs the tests of the page at `url`, or those that `choose` takes of them, as subtests of `t`. A test during which the page
 * complains fails.
 */
export async function runPage(
  t: Test,
  browser: TestBrowser,
  url: string,
  choose: (all: readonly PageTest[]) => readonly PageTest[] = (all) => all,
): Promise<void> {
  const { page, problems } = await openPage(browser, url);
  try {
    const all = await page.evaluate(() => globalThis.mcdTests?.all ?? []);
    t.ok(all.length > 0, `the page has tests${all.length > 0 ? "" : `: ${problems.join("; ")}`}`);
    for (const { index, name, module } of choose(all)) {
      if (page.isClosed()) {
        t.fail("the browser is gone: the other tests of this page did not run");
        return;
      }
      await t.test(module === "" ? name : `${module.replace(/(\.test)?\.js$/, "")}: ${name}`, async (t) => {
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
