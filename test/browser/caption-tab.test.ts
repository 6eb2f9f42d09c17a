/** What the Caption tab offers beside a caption: links, samples, comparisons, the gallery's filters, regions, the camera, accessibility. */
import { readFileSync } from "node:fs";
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
const site = await serve(folder, 0);
t.teardown(() => site.close());

const patience = 200_000;

async function open(hash = "", before?: () => void): Promise<{ page: Page; problems: string[] }> {
  const { page, problems } = await openPage(await sharedBrowser(), `${site.url}${hash}`, before);
  page.setDefaultTimeout(patience);
  return { page, problems };
}

const finished = (page: Page, count: number) =>
  page.locator(`#panel-caption .denoising[data-finished="${count}"]`).waitFor();
const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
/** What people read in a part of the page. */
const read = (page: Page, selector: string): Promise<string> =>
  // biome-ignore lint/performance/useDomNodeTextContent: Playwright's, and only what is visible counts
  page.locator(selector).first().innerText();
const caption = (page: Page) => read(page, "#panel-caption .caption");
const words = (page: Page) => page.locator("#panel-caption .word").allInnerTexts();
const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText());
const photo = (await sharp({
  create: {
    width: 90,
    height: 90,
    channels: 3,
    background: "#446633",
    noise: { type: "gaussian", mean: 110, sigma: 60 },
  },
})
  .png()
  .toBuffer()) as Buffer;

t.test("a link brings back picture, settings and words", async (t) => {
  const { page, problems } = await open(
    "#caption?picture=twemoji-1F407.png&seed=9&steps=3&guidance=mcs&scale=1.5&temperature=0.5&words=_,quantum",
  );
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.locator('[data-source="caption"]').filter({ hasText: "quantum" }).waitFor();
  t.ok(true, "a word that the model does not know is named");
  await page.evaluate(() => {
    location.hash =
      "#caption?picture=twemoji-1F407.png&seed=9&steps=3&guidance=mcs&scale=1.5&temperature=0.5&words=_,rabbit";
  });
  // On a busy machine the first caption may end before the address is read.
  await settled(
    async () => (await words(page))[1],
    (word) => word === "rabbit",
  );
  await atRest(page);
  const said = await words(page);
  t.equal(said[1], "rabbit", "the given word stands at its place");
  t.equal(await page.locator("#panel-caption .word").nth(1).getAttribute("data-mark"), "locked");
  await page.getByText("Sampling settings").click();
  const value = (label: string) =>
    page.locator(`label.field:has(span:text-is("${label}")) :is(input, select)`).first().inputValue();
  const settings = ["Steps", "Guidance", "Scale ω", "Temperature", "Seed"];
  t.same(await Promise.all(settings.map(value)), ["3", "mcs", "1.5", "0.5", "9"]);
  await press(page, "Copy link");
  await page.getByText("Link copied.").waitFor();
  const link = new URL(await clipboard(page));
  const again = await open(link.hash);
  await finished(again.page, 1);
  t.same(await words(again.page), said, "its own link gives the same caption");
  await again.page.close();

  await press(page, "Copy this code");
  await page.getByText("Program copied.").waitFor();
  const code = await clipboard(page);
  t.match(code, /Captioner\.load\("http:\/\/localhost:\d+\/weights\/emoji"\)/);
  t.match(code, /seed: 9,[\s\S]*guidance: \{ ?method: "mcs", scale: 1\.5 ?\}[\s\S]*words: \[null,"rabbit"\]/);
  const coming = page.waitForEvent("download");
  await press(page, "Download as GIF");
  const gif = readFileSync(await (await coming).path());
  t.equal(gif.subarray(0, 6).toString(), "GIF89a");
  const { pages, width, height } = await sharp(gif, { animated: true }).metadata();
  t.equal(pages, 3, "a frame for each step");
  t.ok(width === 480 && height! > 400);

  await page.evaluate(() => {
    location.hash = "#caption?picture=none.png";
  });
  await page
    .locator('[data-source="picture"]')
    .filter({ hasText: "none.png is not in the gallery" })
    .waitFor();
  await press(page, "Close this message");
  await endsWell(t, page, problems);
});

t.test("a photograph, a region of it, and links to both by their codes", async (t) => {
  const { page, problems } = await open();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await finished(page, 1);
  const remark = () => read(page, "#picture-remark");
  t.equal(await remark(), "", "an emoji needs no remark");
  await page.locator("#file").setInputFiles({ name: "photo.png", mimeType: "image/png", buffer: photo });
  await finished(page, 2);
  t.match(await remark(), /^This model knows drawings/, "a photograph is met with one");
  await page.screenshot({ path: screenshotPath("caption-photo.png"), fullPage: true });

  await press(page, "Copy link");
  await page.getByText("Link copied.").waitFor();
  const said = await words(page);
  const hash = new URL(await clipboard(page)).hash;
  t.match(hash, /[?&]codes=[\w-]{128}&/, "its link has its 64 codes");
  const again = await open(hash);
  await finished(again.page, 1);
  t.same(await words(again.page), said, "and gives the same caption");
  t.match(await read(again.page, "#picture-about"), /^a picture from a link, as the model sees it/);
  await again.page.goto(`${site.url}#caption?codes=AAAA`);
  await again.page.reload();
  const wrong = /The picture in this link does not fit the model, which needs 64 codes below 512/;
  await again.page.locator('[data-source="caption"]').filter({ hasText: wrong }).waitFor();
  await again.page.close();

  const box = (await page.getByRole("application").boundingBox())!;
  const at = (cell: number) => box.x + ((cell + 0.5) * box.width) / 8;
  const down = (cell: number) => box.y + ((cell + 0.5) * box.height) / 8;
  await page.mouse.move(at(2), down(1));
  await page.mouse.down();
  await page.mouse.move(at(5), down(3), { steps: 4 });
  await page.mouse.up();
  t.match(
    await settled(
      () => read(page, ".readout"),
      (text) => text.startsWith("Rows"),
    ),
    /^Rows 2 to 4, columns 3 to 6: attended to most by .+ %, .+ %, .+ %\.$/,
    "a dragged region: the words that attend to it",
  );
  await press(page, "Caption this region alone");
  await finished(page, 3);
  t.match(await read(page, "#picture-about"), /^part of photo\.png\./);
  await page.getByRole("application").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("Shift+ArrowRight");
  t.match(
    await settled(
      () => read(page, ".readout"),
      (text) => text.startsWith("Rows"),
    ),
    /^Rows \d to \d, columns 1 to 2:/,
    "the keyboard chooses regions too",
  );
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Caption this region alone" }).waitFor({ state: "hidden" });
  await endsWell(t, page, problems);
});

t.test("several samples, steps and temperatures, categories and search", async (t) => {
  const { page, problems } = await open();
  await finished(page, 1);
  await page.locator(".samples-panel select").selectOption("8");
  await press(page, "Draw them");
  const rows = page.locator(".samples tbody tr");
  await rows.first().waitFor();
  const counts = (await page.locator(".samples td.bar").allInnerTexts()).map((text) =>
    Number.parseInt(text, 10),
  );
  t.equal(
    counts.reduce((a, b) => a + b, 0),
    8,
    "eight captions, counted",
  );
  t.same(
    counts.toSorted((a, b) => b - a),
    counts,
    "the frequent ones first",
  );
  await press(page, "Compare steps and temperatures");
  const cells = page.locator(".sweep tbody td");
  const filled = await settled(
    () => cells.allInnerTexts(),
    (texts) => texts.length > 0 && !texts.includes("…"),
  );
  t.equal(filled.length, 12, "1, 2 and 5 steps with four temperatures");
  t.notOk(filled.includes("…"), "each with its caption");
  await atRest(page);
  await page.screenshot({ path: screenshotPath("caption-compared.png"), fullPage: true });

  const shown = page.locator("#panel-caption .gallery button:visible");
  const all = await shown.count();
  await page.locator("#panel-caption input[type=search]").fill("rabbit");
  t.equal(await shown.count(), 1, "by a word of its captions");
  await page.getByText(`1 of ${all} pictures`).waitFor();
  await page.locator("#panel-caption input[type=search]").fill("");
  await page.locator("#panel-caption .filters select").selectOption("food and drink");
  const food = await shown.count();
  t.ok(food > 0 && food < all, `${food} of ${all}`);
  await endsWell(t, page, problems);
});

t.test("the camera", async (t) => {
  const { page, problems } = await open("", () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 96, height: 64 });
    const context = canvas.getContext("2d")!;
    setInterval(() => {
      context.fillStyle = `rgb(${Math.random() * 255} 80 40)`;
      context.fillRect(0, 0, 96, 64);
    }, 50);
    let works = false;
    Object.defineProperty(navigator, "mediaDevices", {
      value: {
        getUserMedia: async () => {
          if (!works) {
            works = true;
            throw new DOMException("Permission denied", "NotAllowedError");
          }
          return canvas.captureStream();
        },
      },
    });
  });
  await finished(page, 1);
  await press(page, "Camera");
  await page.locator('[data-source="camera"]').filter({ hasText: "Permission denied" }).waitFor();
  await press(page, "Camera");
  await page.getByRole("button", { name: "Caption this picture" }).click();
  await finished(page, 2);
  t.match(await read(page, "#picture-about"), /^a picture from your camera\./);
  t.not(await caption(page), "");
  await press(page, "Camera");
  t.equal(
    await page.locator(".camera video").evaluate((video) => (video as HTMLVideoElement).srcObject),
    null,
  );
  await endsWell(t, page, problems);
});

t.test("the result is in the first view at every width, and nothing offends axe", async (t) => {
  const { page, problems } = await open();
  await finished(page, 1);
  await atRest(page);
  for (const [width, height] of [
    [1280, 900],
    [900, 900],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    const box = (await page.locator("#panel-caption .caption").boundingBox())!;
    t.ok(box.y + box.height <= height, `${width}×${height}: the caption ends at ${box.y + box.height}`);
  }
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  await page.evaluate(axe);
  for (const tab of ["caption", "guidance", "train", "kernels"]) {
    await page.locator(`#tab-${tab}`).click();
    await page.locator(`#panel-${tab} button`).first().waitFor();
    await atRest(page);
    const violations = await page.evaluate(async () => {
      const { axe } = globalThis as unknown as typeof import("axe-core") & { axe: typeof import("axe-core") };
      const { violations } = await axe.run();
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join("; ")}`);
    });
    t.same(violations, [], tab);
  }
  for (const other of ["model-card.html", "source/index.html"]) {
    await page.goto(`${site.url}${other}`);
    t.ok((await read(page, "main")).length > 500, `${other} is there`);
  }
  t.same(problems, [], "no errors or warnings");
  await page.close();
});
