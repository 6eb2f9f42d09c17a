/** Looking at a page until it shows what is wanted, and once nothing changes in it any more. */

import type { Page } from "playwright-core";
import type { Test } from "tap";

/**
 * What `look` sees once `wanted` holds of it; after a minute what it sees then. A page answers an event a moment after it, so
 * that whoever looks at once may see what was there before.
 */
export async function settled<T>(look: () => Promise<T>, wanted: (seen: T) => boolean): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const seen = await look();
    if (wanted(seen) || Date.now() > deadline) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Requests of a page that have no answer yet. */
const pending = new WeakMap<Page, Set<unknown>>();

/** Counts the requests of a page from now on, for `atRest`. */
export function countRequests(page: Page): void {
  const requests = new Set<unknown>();
  pending.set(page, requests);
  page.on("request", (request) => requests.add(request));
  page.on("requestfinished", (request) => requests.delete(request));
  page.on("requestfailed", (request) => requests.delete(request));
}

/**
 * Waits until the demo page is at rest: no request is open, no work goes on, and its document does not change for a
 * second. What a test finds then is there to stay. Needs `countRequests` before.
 */
export async function atRest(page: Page): Promise<void> {
  const requests = pending.get(page);
  if (!requests) throw new Error("atRest: the requests of this page are not counted");
  for (;;) {
    await page.evaluate(
      () =>
        new Promise<void>((resolve) => {
          const end = () => {
            observer.disconnect();
            resolve();
          };
          let timer = setTimeout(end, 1000);
          const observer = new MutationObserver(() => {
            clearTimeout(timer);
            timer = setTimeout(end, 1000);
          });
          observer.observe(document, {
            subtree: true,
            childList: true,
            attributes: true,
            characterData: true,
          });
        }),
    );
    const works = await page.evaluate(() => {
      const status = document.querySelector("#status");
      const stops = [...document.querySelectorAll("button")].filter(
        ({ textContent }) => textContent === "Stop",
      );
      return (
        (status && !status.hasAttribute("hidden") && status.textContent.trim().endsWith("…")) ||
        stops.some((stop) => !stop.disabled) ||
        document.querySelector("[data-state=running], [data-state=pausing]") !== null
      );
    });
    if (!works && requests.size === 0) return;
  }
}

/** Asserts that the page, once it is at rest, has had no problem (`openPage`) and shows no message. Closes it. */
export async function endsWell(t: Test, page: Page, problems: readonly string[]): Promise<void> {
  await atRest(page);
  t.same(problems, [], "no errors or warnings");
  const shown = page.locator(".error").and(page.locator(":visible"));
  t.same(await shown.allInnerTexts(), [], "and no messages");
  await page.close();
}
