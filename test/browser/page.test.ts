/** The demo page as a person uses it, in headless Chromium with the shipped weights. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import t from "tap";
import { sharedBrowser } from "./chromium.js";
import { openPage } from "./launch.js";

/** The page is built by plain JavaScript beside its sources. */
const part = (name: string) => import(new URL(`../../web/${name}.js`, import.meta.url).href);
const { buildSite }: { buildSite(folder: string): Promise<void> } = await part("build");
const { serve }: { serve(folder: string, port: number): Promise<{ url: string; close(): Promise<void> }> } =
  await part("server");

/** To look at after the tests. */
const screenshots = fileURLToPath(new URL("../screenshots/", import.meta.url));
mkdirSync(screenshots, { recursive: true });

const folder = join(t.testdir(), "site");
await buildSite(folder);
// Every second or third of the steps that the model's configuration asks for: time matters here more than captions.
const steps = 10;
const configPath = join(folder, "weights/emoji/config.json");
const config = JSON.parse(readFileSync(configPath, "utf8")) as { config: { sampling: { steps: number } } };
config.config.sampling.steps = steps;
writeFileSync(configPath, JSON.stringify(config));
const site = await serve(folder, 0);
t.teardown(() => site.close());

/** On a software adapter beside other work a caption takes a while. */
const patience = 400_000;

/** What people read in a part of the page. */
const read = (page: Page, selector: string): Promise<string> =>
  // biome-ignore lint/performance/useDomNodeTextContent: Playwright's, and only what is visible counts
  page.locator(selector).first().innerText();

const caption = (page: Page) => read(page, "#panel-caption .caption");
const readout = (page: Page) => read(page, ".readout");
const about = (page: Page) => read(page, "#picture-about");
const words = (page: Page) => page.locator("#panel-caption .word").allInnerTexts();
const word = (page: Page, position: number) => page.locator("#panel-caption .word").nth(position);

/** A picture of the page in the folder of screenshots. */
const shoot = (page: Page, name: string) =>
  page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });

type TabName = "caption" | "guidance";
const counters = { caption: "#panel-caption .denoising", guidance: "#panel-guidance" } as const;

/** Does something that makes a tab begin anew, and waits until it has come to its end. */
async function ended(page: Page, tab: TabName, action: () => Promise<unknown>): Promise<void> {
  const before = await page.locator(counters[tab]).getAttribute("data-finished");
  await action();
  await page
    .locator(`${counters[tab]}[data-finished="${Number(before) + 1}"]`)
    .waitFor({ timeout: patience });
}

/** Waits until the first work of a tab has ended. */
const ready = (page: Page, tab: TabName = "caption") =>
  page.locator(`${counters[tab]}[data-finished="1"]`).waitFor({ timeout: patience });

async function open(hash = ""): Promise<{ page: Page; problems: string[] }> {
  const { page, problems } = await openPage(await sharedBrowser(), `${site.url}${hash}`);
  page.setDefaultTimeout(patience);
  return { page, problems };
}

t.test("a picture, its codes and its caption, step by step", async (t) => {
  const { page, problems } = await open();
  await ready(page);
  t.equal(await page.locator(".gallery button").count(), 24, "two dozen pictures to choose from");
  const loaded = await page
    .locator(".gallery img")
    .evaluateAll((images) =>
      images.every(
        (image) => (image as HTMLImageElement).complete && (image as HTMLImageElement).naturalWidth === 128,
      ),
    );
  t.ok(loaded, "all of them load");
  t.match(await read(page, ".figures"), /Codes y: 64 of 512, \d+ different/, "the codes");
  t.match(await about(page), /People call it: “/, "what people call it");
  const final = await words(page);
  t.equal(final.length, 12, "all positions of the caption");
  const said = final.slice(0, final.indexOf("end") < 0 ? undefined : final.indexOf("end"));
  t.equal(
    await caption(page),
    said.join(" ") || "(no word at all)",
    "the caption is its words up to the end",
  );

  const slider = page.getByLabel("Denoising step");
  await slider.focus();
  await page.keyboard.press("Home");
  const first = await read(page, ".scrubber output");
  t.match(first, /^t = 90, \d+ of 12 masked$/, `the keyboard goes to the first step: ${first}`);
  const masked = (await words(page)).filter((word) => word === "[MASK]").length;
  t.ok(masked >= 6, `where most is masked: ${masked} of 12`);
  t.match(first, new RegExp(`, ${masked} of`), "as it says");
  await shoot(page, "caption-first-step");
  await page.keyboard.press("End");
  t.same(await words(page), final, "and back to the last");

  await word(page, 0).hover();
  t.match(
    await readout(page),
    new RegExp(`^“${final[0]}” gives \\d.* % of its cross-attention to the 64 codes`),
    "a word: where it looks",
  );
  await shoot(page, "caption-attention");
  const grid = page.getByRole("application");
  await grid.focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  t.match(
    await readout(page),
    /^Row 2, column 2, code \d+: looked at most by .+ %, .+ %, .+ %\.$/,
    "a region: the words that it feeds",
  );
  await grid.hover({ position: { x: 2, y: 2 } });
  t.match(await readout(page), /^Row 1, column 1, /, "by the pointer too");
  const tints = await page
    .locator("#panel-caption .word")
    .evaluateAll((elements) =>
      elements.map((element) => Number((element as HTMLElement).style.getPropertyValue("--weight"))),
    );
  t.equal(Math.max(...tints), 1, "the words are tinted");
  const origins = await page.evaluate(() =>
    performance.getEntriesByType("resource").map(({ name }) => new URL(name).origin),
  );
  t.ok(origins.length > 24, "pictures, weights and program came by network");
  t.same([...new Set(origins)], [new URL(site.url).origin], "from its own origin only");
  t.same(problems, [], "no errors or warnings");
  await page.close();
});

t.test("the guidance lab", async (t) => {
  const { page, problems } = await open("#guidance");
  const methods = ["none", "cfg", "mcs", "mcs-printed"];
  const outcome = (method: string) => read(page, `[data-method=${method}] .outcome`);
  const formula = () => read(page, "[data-method=mcs] .formula");
  await ready(page, "guidance");
  t.equal(await formula(), "log pₘ + 2 (log p − log pₘ)", "the formula with its ω");
  const captions = await Promise.all(methods.map(outcome));
  t.comment(captions.join(" | "));
  t.ok(!captions.some((text) => ["", "…", "waiting"].includes(text)), "four captions");
  await shoot(page, "guidance");

  const setScale = (scale: number) =>
    ended(page, "guidance", () => page.getByLabel("Scale ω").fill(`${scale}`));
  await setScale(1);
  t.match(await formula(), /with this ω it is the full prediction alone/, "ω = 1");
  t.equal(await outcome("mcs"), captions[0], "which is no guidance: the same words from the same seed");
  t.equal(await outcome("cfg"), captions[0], "with cfg too");
  await setScale(3);
  t.same(await outcome("none"), captions[0], "no guidance has no scale");

  await page.getByRole("application").focus();
  await page.keyboard.press(" ");
  t.match(await read(page, ".lab"), /MCS hides the 1 painted code of 64\./, "a code painted by the keyboard");
  await ended(page, "guidance", () => page.getByRole("button", { name: "Invert" }).click());
  t.match(await read(page, ".lab"), /MCS hides the 63 painted codes of 64\./, "all others");
  await shoot(page, "guidance-painted");
  await page.getByRole("button", { name: "Hide none" }).click();
  t.match(await read(page, ".lab"), /Nothing is painted: MCS hides 10 % of the codes at random/, "none");
  t.same(problems, [], "no errors or warnings");
  await page.close();
});
