/** The Scenes tab: scenes drawn and composed, their captions and what is true of them, links, keys, narrow windows. */
import { cpSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Page } from "playwright-core";
import sharp from "sharp";
import t from "tap";
import { sharedBrowser } from "./chromium.js";
import { openPage } from "./launch.js";
import { atRest, endsWell, settled } from "./settled.js";
import { buildQuickSite, screenshotPath, serve } from "./site.js";

const folder = join(t.testdir(), "site");
await buildQuickSite(folder, 2);
writeFileSync(join(folder, "data/scenes/served.json"), JSON.stringify({ weights: false }));
const site = await serve(folder, 0);
t.teardown(() => site.close());

/** The same page with the weights for scenes. */
const trained = join(t.testdirName, "trained");
cpSync(folder, trained, { recursive: true });
writeFileSync(join(trained, "data/scenes/served.json"), JSON.stringify({ weights: true }));
const trainedSite = await serve(trained, 0);
t.teardown(() => trainedSite.close());

const patience = 200_000;

async function open(hash: string, url = site.url): Promise<{ page: Page; problems: string[] }> {
  const { page, problems } = await openPage(await sharedBrowser(), `${url}${hash}`);
  page.setDefaultTimeout(patience);
  return { page, problems };
}

/** Does something that changes the scene, and waits until it is captioned. */
async function captioned(page: Page, action: () => Promise<unknown>): Promise<void> {
  const section = page.locator("#panel-scenes .scene");
  const before = Number(await section.getAttribute("data-finished"));
  await action();
  await settled(
    async () => Number(await section.getAttribute("data-finished")),
    (count) => count > before,
  );
}

const first = (page: Page) => page.locator('#panel-scenes .scene:not([data-finished="0"])').waitFor();
/** What people read in a part of the page. */
const read = (page: Page, selector: string): Promise<string> =>
  // biome-ignore lint/performance/useDomNodeTextContent: Playwright's, and only what is visible counts
  page.locator(selector).first().innerText();
const objects = (page: Page) => page.locator("#panel-scenes .objects li > button").allInnerTexts();
const places = async (page: Page) =>
  (await page.locator("#panel-scenes .objects li > span").allInnerTexts()).map((text) => {
    const [, width, height, x, y] = /(\d+)×(\d+) at (\d+), (\d+)$/.exec(text)!;
    return { width: Number(width), height: Number(height), x: Number(x), y: Number(y) };
  });
const caption = (page: Page) => read(page, "#panel-scenes .caption");
const press = (page: Page, name: string) =>
  page.locator("#panel-scenes").getByRole("button", { name, exact: true }).click();
const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText());
const stage = (page: Page) => page.locator("#panel-scenes canvas.stage");

t.test("what scenes are made of stays below 2 MB, and comes when the tab is opened", async (t) => {
  t.ok(statSync(join(folder, "data/scenes/art.rgba.gz")).size < 2e6);
  const { page, problems } = await open("");
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.locator('#panel-caption .denoising[data-finished="1"]').waitFor();
  await atRest(page);
  t.same(
    asked.filter((url) => url.includes("scenes")),
    [],
    "not before",
  );
  await page.locator("#tab-scenes").click();
  await first(page);
  t.match(
    await read(page, "#scenes-weights"),
    /^No weights trained on scenes were served .* by the shipped weights/,
  );
  t.not(await caption(page), "");
  await endsWell(t, page, problems);
});

t.test("a scene of a link, its true captions, and its own link", async (t) => {
  const { page, problems } = await open("#scenes?scene=12&seed=5&steps=2");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await first(page);
  const shown = await objects(page);
  t.ok(shown.length > 0);
  const references = await page.locator("#panel-scenes .references li").allInnerTexts();
  t.equal(references.length, 10, "ten true captions");
  t.ok(references[0]!.split(" ").length >= 5, references[0]!);
  await press(page, "Copy link");
  await page.getByText("Link copied.").waitFor();
  const { hash } = new URL(await clipboard(page));
  t.match(hash, /^#scenes\?seed=5&steps=2&.*&scene=12$/);
  const said = await caption(page);
  const forward = page.locator("#panel-scenes .forward");
  const chips = () => forward.locator("li").allInnerTexts();
  const clean = await chips();
  t.equal(
    clean.filter((word) => word !== "end").join(" "),
    said,
    "the forward process begins with the caption",
  );
  const masksAt = async (step: number) => {
    await forward.getByRole("slider").fill(String(step));
    return (await chips()).map((word) => word === "[MASK]");
  };
  const [middle, last] = [await masksAt(50), await masksAt(100)];
  t.ok(last.filter(Boolean).length > clean.length / 2, `nearly all is masked in the end: ${last}`);
  t.ok(
    middle.every((isMasked, i) => !isMasked || last[i]) &&
      last.filter(Boolean).length > middle.filter(Boolean).length,
    "what is masked stays so",
  );
  const coming = page.waitForEvent("download");
  await press(page, "Download as PNG");
  const { width, height } = await sharp(readFileSync(await (await coming).path())).metadata();
  t.same([width, height], [64, 64], "the picture as the model sees it");
  await captioned(page, () => press(page, "Other ground"));
  await captioned(page, async () => {
    await page.locator("#panel-scenes").getByPlaceholder("dog, car …").fill("red apple");
    await press(page, "Add red apple");
  });
  await press(page, "Copy link");
  await page.getByText("Link copied.").waitFor();
  const changed = new URL(await clipboard(page)).hash;
  t.match(changed, /ground=13&objects=.*red_apple/);
  const [seen, where, caption2] = [await objects(page), await places(page), await caption(page)];
  t.same(seen, [...shown, "red apple"]);
  await page.screenshot({ path: screenshotPath("scenes-composed.png"), fullPage: true });

  const again = await open(hash);
  await first(again.page);
  t.equal(await caption(again.page), said, "the same picture and settings, the same caption");
  await captioned(again.page, () =>
    again.page.evaluate((hash) => {
      location.hash = hash;
    }, changed),
  );
  t.same(await objects(again.page), seen);
  t.same(await places(again.page), where);
  t.equal(await caption(again.page), caption2, "also of the changed scene");
  await again.page.close();
  await endsWell(t, page, problems);
});

t.test("objects are dragged, moved and sized by keys, hidden and removed", async (t) => {
  const { page, problems } = await open("#scenes?scene=3&objects=dog.0.0.4.30.20.0~car.0.0.36.30.24.0");
  await first(page);
  t.same(await objects(page), ["dog", "car"]);
  const [start] = await places(page);
  const box = (await stage(page).boundingBox())!;
  const at = (x: number, y: number) => [box.x + (x / 64) * box.width, box.y + (y / 64) * box.height] as const;
  await captioned(page, async () => {
    await page.mouse.move(...at(start!.x + 5, start!.y + 5));
    await page.mouse.down();
    await page.mouse.move(...at(start!.x + 5, start!.y - 5), { steps: 5 });
    await page.mouse.up();
  });
  const [dragged] = await places(page);
  t.equal(dragged!.x, start!.x);
  t.ok(Math.abs(dragged!.y - (start!.y - 10)) <= 1, `dragged up by ten pixels: ${dragged!.y}`);
  await captioned(page, async () => {
    await stage(page).focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Shift+ArrowDown");
    await page.keyboard.press("+");
    await page.keyboard.press("+");
  });
  const [moved] = await places(page);
  t.equal(Math.max(moved!.width, moved!.height), 22, "two pixels larger");
  t.ok(Math.abs(moved!.y - dragged!.y - 4) <= 1 && Math.abs(moved!.x - dragged!.x - 1) <= 1);
  const references = await page.locator("#panel-scenes .references li").allInnerTexts();
  t.ok(
    references.some((text) => /left of|right of/.test(text)),
    "the grammar tells how they lie now",
  );
  // Beyond the edge.
  for (let i = 0; i < 20; i++) await page.keyboard.press("Shift+ArrowLeft");
  t.equal((await places(page))[0]!.x, 0, "nothing leaves the picture");

  await settled(
    () => caption(page),
    (text) => text !== "" && text !== "…",
  );
  await captioned(page, () => page.getByLabel("hide its codes").first().check());
  t.match(await read(page, "#panel-scenes .said"), /With all codes: /);
  await page.locator("#panel-scenes .objects li").first().hover();
  t.equal(await page.locator('#panel-scenes .objects [data-pointed="true"]').count(), 1);
  await page.locator("#panel-scenes .word").first().hover();
  t.match(await read(page, "#panel-scenes .readout"), /^“.+” is about .+/);
  await page.screenshot({ path: screenshotPath("scenes-hidden.png"), fullPage: true });
  await captioned(page, async () => {
    await page.locator("#panel-scenes .objects button").first().focus();
    await page.keyboard.press("Delete");
  });
  t.same(await objects(page), ["car"]);
  // The mouse reaches what the window shows: the palette and the picture at once.
  await page.setViewportSize({ width: 1280, height: 1600 });
  const add = page.getByRole("button", { name: "Add cat", exact: true });
  await add.scrollIntoViewIfNeeded();
  const from = (await add.boundingBox())!;
  const to = (await stage(page).boundingBox())!;
  await captioned(page, async () => {
    await page.mouse.move(from.x + 10, from.y + 10);
    await page.mouse.down();
    await page.mouse.move(to.x + to.width / 4, to.y + to.height / 4, { steps: 5 });
    await page.mouse.up();
  });
  t.same(await objects(page), ["car", "cat"]);
  const [, cat] = await places(page);
  t.ok(
    Math.abs(cat!.x + cat!.width / 2 - 16) <= 1 && Math.abs(cat!.y + cat!.height / 2 - 16) <= 1,
    "where it was dropped",
  );
  await endsWell(t, page, problems);
});

t.test("weights for scenes are used here, and the shipped ones elsewhere", async (t) => {
  const { page, problems } = await open("#scenes", trainedSite.url);
  await page.getByText("· the weights trained on scenes").waitFor();
  await first(page);
  t.equal(await read(page, "#scenes-weights"), "");
  const loaded = await page.evaluate(() =>
    performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname),
  );
  const weights = loaded.filter((path) => path.endsWith(".safetensors"));
  t.ok(
    weights.length > 0 && weights.every((path) => path.includes("/weights/scenes/")),
    `no others are loaded for nothing: ${weights}`,
  );
  await page.locator("#tab-caption").click();
  await page.getByText("· the shipped weights").waitFor();
  await page.locator('#panel-caption .denoising:not([data-finished="0"])').waitFor();
  t.equal(await page.locator("#caption-weights").isVisible(), false);
  await endsWell(t, page, problems);
});

t.test("on a phone nothing is wider than the window, and nothing offends axe", async (t) => {
  const { page, problems } = await open("#scenes?scene=7");
  await first(page);
  await page.setViewportSize({ width: 360, height: 740 });
  await atRest(page);
  const { wide, inner } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    inner: innerWidth,
  }));
  t.ok(wide <= inner, `${wide} of ${inner} pixels`);
  await page.screenshot({ path: screenshotPath("scenes-phone.png"), fullPage: true });
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join("; ")}`);
  });
  t.same(violations, []);
  await endsWell(t, page, problems);
});
