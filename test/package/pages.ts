/** What a page with the installed package shows. */

import type { Test } from "tap";
import { sharedBrowser } from "../browser/chromium.js";
import { openPage } from "../browser/launch.js";
import type { Result } from "./programs.js";

/** The page's result, or null as soon as it has complained. */
export async function resultOf(t: Test, url: string): Promise<Result | null> {
  const { page, problems } = await openPage(await sharedBrowser(), url);
  try {
    const output = page.locator("output");
    let text = "";
    while (text === "" && problems.length === 0) {
      await page.waitForTimeout(200);
      text = (await output.textContent()) ?? "";
    }
    // The page has nothing left to do: what it complains of comes now.
    await page.waitForTimeout(500);
    t.same(problems, [], "no errors, warnings or uncaptured GPU errors in the page");
    return text === "" ? null : (JSON.parse(text) as Result);
  } finally {
    await page.close();
  }
}
