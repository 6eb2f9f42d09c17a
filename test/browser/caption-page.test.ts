/** The page of captions in a browser: what its filters and orders show. */

import t from "tap";
import { renderCaptionPage } from "../../dist/report/caption-page.js";
import { page as contents } from "../report/caption-pages.js";
import { launch } from "./launch.js";

t.setTimeout(1_100_000);

t.test("pictures are filtered and sorted; nothing is requested", async (t) => {
  const browser = await launch({ webgpu: false });
  t.teardown(() => browser.close());
  const page = await browser.browser.newPage();
  const requests: string[] = [];
  const errors: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => errors.push(error.message));
  await page.setContent(renderCaptionPage(contents));
  const shown = () => page.locator("article:not([hidden]) h3").allTextContents();
  t.same(await shown(), ["one test", "two hard"], "the order of the data");
  await page.selectOption("#sort", "gain");
  t.same(await shown(), ["two hard", "one test"], "CIDEr-D of c − a & b: 0, then −0.75");
  await page.selectOption("#sort", "loss");
  t.same(await shown(), ["one test", "two hard"]);
  await page.selectOption("#row", "0");
  await page.selectOption("#sort", "worst");
  t.same(await shown(), ["two hard", "one test"], "of the first row itself: 0.5, then 1");
  await page.selectOption("#metric", "1");
  t.same(await shown(), ["two hard", "one test"], "one without a score stands last");
  await page.check("#differ");
  t.same(await shown(), ["one test"], "only where captions differ");
  t.equal(await page.textContent("#count"), "1 of 2 pictures");
  await page.uncheck("#differ");
  await page.selectOption("#split", "hard");
  t.same(await shown(), ["two hard"]);
  await page.selectOption("#split", "");
  await page.fill("#text", "RED");
  t.same(await shown(), ["one test"], "by a word of a reference");
  t.same(
    requests.filter((url) => !url.startsWith("data:")),
    [],
  );
  t.same(errors, []);
});
