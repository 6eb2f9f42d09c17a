/** Runs test files in pages and hands tap what they find, as subtests with the names that they have in Node. */
import type { Test } from "tap";
import type { Finding, PageTests } from "./host.js";
import { openPage, type TestBrowser } from "./launch.js";

declare global {
  /** In a page of tests only. */
  var mcdTests: PageTests;
}

/** Runs all tests of the page at `url` as subtests of `t`. A test during which the page complains fails. */
export async function runPage(t: Test, browser: TestBrowser, url: string): Promise<void> {
  const { page, problems } = await openPage(browser, url);
  try {
    const names = await page.evaluate(() => globalThis.mcdTests?.names ?? []);
    t.ok(names.length > 0, `the page has tests${names.length > 0 ? "" : `: ${problems.join("; ")}`}`);
    for (const [index, name] of names.entries()) {
      await t.test(name, async (t) => {
        report(t, await page.evaluate((index) => globalThis.mcdTests.run(index), index));
        t.same(problems.splice(0), [], "no errors, warnings or uncaptured GPU errors in the page");
      });
    }
  } finally {
    await page.close();
  }
}

function report(t: Test, findings: readonly Finding[]): void {
  for (const finding of findings) {
    if ("comment" in finding) t.comment(finding.comment);
    else t.ok(finding.ok, finding.message, finding.detail === undefined ? {} : { detail: finding.detail });
  }
}
