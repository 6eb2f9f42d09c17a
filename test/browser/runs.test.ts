/** The page of runs in Chromium: curves that grow, every view, links, notes; nothing is asked of other servers. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { PNG } from "pngjs";
import t from "tap";
import { RunStore } from "../../dist/cli/runs/run-store.js";
import { serveRuns } from "../../dist/cli/runs/runs-server.js";
import { appendLog, endRun, logLine, makeRun } from "../cli/runs/run-folders.js";
import { launch } from "./launch.js";

t.setTimeout(1_100_000);

const root = mkdtempSync(join(tmpdir(), "runs-page-"));
t.teardown(() => rmSync(root, { recursive: true }));
const png = PNG.sync.write(new PNG({ width: 6, height: 5, colorType: 2 }));
for (const [name, model, score] of [
  ["one", "mc-diffusion", 1.5],
  ["two", "lstm", 0.5],
] as const) {
  makeRun(join(root, name), { model });
  endRun(join(root, name), png, score);
}
makeRun(join(root, "live & <b>"), { model: "transformer", steps: 50, done: 5 });
const server = await serveRuns(new RunStore(root), 0);
t.teardown(() => server.close());
const browser = await launch({ webgpu: false });
t.teardown(() => browser.close());

/** A page, what it asked for, and what went wrong in it. */
async function open(hash = ""): Promise<{ page: Page; requests: string[]; problems: string[] }> {
  const context = await browser.browser.newContext({ viewport: { width: 1200, height: 900 } });
  const page = await context.newPage();
  const requests: string[] = [];
  const problems: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(server.url + hash);
  await page.waitForSelector("#panel > *");
  return { page, requests, problems };
}

const names = (page: Page) => page.locator("#list label > span:not(.quiet)").allTextContents();
const titles = (page: Page) =>
  page.locator(".charts svg").evaluateAll((all) => all.map((svg) => svg.getAttribute("aria-label")));
const lines = (page: Page, title: string) =>
  page.locator(`svg[aria-label="${title}"] path[stroke-width="2"]`).count();

t.test("curves over each other, live, with values where one points", async (t) => {
  const { page, requests, problems } = await open("#order=name");
  t.same(await names(page), ["live & <b>", "one", "two"]);
  await page.waitForSelector("svg >> text=Total loss");
  await page.selectOption("#curves-Stage", "decoder");
  t.equal(await page.locator("#panel h2").allTextContents().then(String), "Stage decoder");
  t.ok((await titles(page)).includes("Held out: CIDEr-D"));
  t.equal(await lines(page, "Total loss"), 3);
  t.match(await page.textContent("#panel p"), /Each model has its own loss/);
  const stroke = () =>
    page.locator('svg[aria-label="Total loss"] path[stroke-width="2"]').nth(0).getAttribute("d");
  const before = await stroke();
  t.match(await page.textContent("#list"), /decoder 5 of 50 steps/);
  appendLog(
    join(root, "live & <b>"),
    Array.from({ length: 30 }, (_, i) => logLine("decoder", i + 6)).join(""),
  );
  await page.waitForFunction(() =>
    /decoder 35 of 50 steps/.test(document.querySelector("#list")!.textContent!),
  );
  await page.waitForFunction(
    (old) =>
      document.querySelector('svg[aria-label="Total loss"] path[stroke-width="2"]')?.getAttribute("d") !==
      old,
    before,
  );
  t.equal(await page.inputValue("#curves-Stage"), "decoder", "controls stay");
  const box = (await page.locator('svg[aria-label="Total loss"]').boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.5, box.y + 50);
  const told = await page.locator("figcaption:visible").textContent();
  t.match(told, /^step 1\d.*live & <b>.*one.*two/);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 50, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => /from=1\d&to=2\d/.test(location.hash));
  await page.waitForFunction(
    () => Number(document.querySelector<SVGElement>(".charts svg")?.dataset.x?.split(" ")[0]) > 10,
  );
  await page.goBack();
  await page.waitForFunction(
    () => Number(document.querySelector<SVGElement>(".charts svg")?.dataset.x?.split(" ")[0]) === 1,
  );
  await page.selectOption("#curves-over", "time");
  await page.waitForSelector("svg >> text=hours of steps");
  t.same(
    requests.filter((url) => !url.startsWith(server.url) && !url.startsWith("data:")),
    [],
    "nothing from elsewhere",
  );
  t.same(problems, []);
  await page.context().close();
});

t.test("settings, samples, scores; filters; a link says all of it", async (t) => {
  const { page, problems } = await open();
  await page.fill("#filter", "model=lstm dim>64");
  t.same(await names(page), ["two"]);
  await page.fill("#filter", "dmin>64");
  t.match(await page.textContent("#problem"), /No run has the setting or measure dmin/);
  await page.fill("#filter", "");
  await page.click("#choose-none");
  t.match(await page.textContent("#panel"), /Choose runs on the left/);
  await page.check('[data-run="two"]');
  await page.check('[data-run="one"]');
  await page.click("#tab-settings");
  const rows = () =>
    page
      .locator("#panel tbody tr")
      .evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
  t.same(await rows(), [["model", "lstm", "mc-diffusion"]]);
  await page.check('[id="check-equal settings, too"]');
  t.ok((await rows()).some(([key, a, b]) => key === "decoder.dim" && a === "128" && b === "128"));
  await page.click("#tab-scores");
  const cells = (await rows()).map((row) => row.map((cell) => cell!.trim()));
  t.same(cells[0], ["two", "model scores.json", "24", "0.50 [0.25, 1.00]"]);
  t.same(await page.locator("#panel b").allTextContents(), ["1.50"], "the best");
  await page.check('[id="check-baselines, too"]');
  t.equal(await page.locator("#panel table").nth(0).locator("tbody tr").count(), 4);
  await page.click("#tab-samples");
  await page.locator("#samples-decoder").fill("0");
  await page.waitForFunction(() => location.hash.includes("step=10"));
  const shown = () =>
    page.locator("#panel img").evaluateAll((all) => (all as HTMLImageElement[]).map(({ alt }) => alt));
  t.ok((await shown()).includes("two, decoder-000010.svg"));
  t.notOk((await shown()).includes("two, decoder-000020.svg"));
  await page.waitForFunction(() =>
    [...document.querySelectorAll<HTMLImageElement>("#panel img")].every(
      (img) => img.complete && img.naturalWidth > 0,
    ),
  );
  const link = new URL(page.url()).hash;
  const other = await open(link);
  t.same(
    await other.page
      .locator("#list input:checked")
      .evaluateAll((all) => all.map((box) => (box as HTMLElement).dataset.run))
      .then((all) => all.sort()),
    ["one", "two"],
  );
  t.ok(
    (
      await other.page
        .locator("#panel img")
        .evaluateAll((all) => (all as HTMLImageElement[]).map(({ alt }) => alt))
    ).includes("two, decoder-000010.svg"),
  );
  t.same([...problems, ...other.problems], []);
  for (const each of [page, other.page]) await each.context().close();
});

t.test("a note is saved in the folder; one that is being written is not taken away", async (t) => {
  const { page, problems } = await open("#tab=notes&run=one");
  await page.fill("textarea", "grüße");
  await page.click("text=Save note");
  await page.waitForSelector("text=saved in notes.md");
  t.equal(readFileSync(join(root, "one/notes.md"), "utf8"), "grüße");
  await page.waitForSelector("#list >> text=grüße");
  await page.fill("textarea", "my second thought");
  writeFileSync(join(root, "one/notes.md"), "somebody else");
  await page.waitForSelector("#list >> text=somebody else");
  t.equal(await page.inputValue("textarea"), "my second thought");
  await page.click("text=Save note");
  await page.waitForSelector(
    "text=The file has been changed meanwhile; saving again replaces: somebody else",
  );
  t.equal(readFileSync(join(root, "one/notes.md"), "utf8"), "somebody else");
  await page.click("text=Save note");
  await page.waitForSelector("text=saved in notes.md");
  t.equal(readFileSync(join(root, "one/notes.md"), "utf8"), "my second thought");
  t.match(
    await page.textContent("article"),
    /finished · mc-diffusion on vqvae, seed 1 · vqvae 4 of 4 steps, 4 s/,
  );
  t.same(
    problems.filter((text) => !text.includes("409")),
    [],
  );
  await page.context().close();
});

t.test("on a phone nothing is wider than the screen", async (t) => {
  const context = await browser.browser.newContext({ viewport: { width: 360, height: 740 } });
  const page = await context.newPage();
  for (const tab of ["curves", "settings", "samples", "scores", "notes"]) {
    await page.goto(`${server.url}#tab=${tab}&all=true`);
    await page.reload();
    await page.waitForSelector("#panel > *");
    t.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), tab);
  }
  await context.close();
});
