/** The demo page as a person uses it, in headless Chromium with the shipped weights. */
import { join } from "node:path";
import type { Page } from "playwright-core";
import sharp from "sharp";
import t, { type Test } from "tap";
import { sharedBrowser } from "./chromium.js";
import { launch, openPage } from "./launch.js";
import { atRest, endsWell, settled } from "./settled.js";
import { buildQuickSite, screenshotPath, serve } from "./site.js";

const folder = join(t.testdir(), "site");
// Every second or third of the steps that the model's configuration asks for.
await buildQuickSite(folder, 10);
const site = await serve(folder, 0);
t.teardown(() => site.close());

/** On a software adapter beside other work a caption takes a while. */
const patience = 400_000;

/** What people read in a part of the page. */
const read = (page: Page, selector: string): Promise<string> =>
  // biome-ignore lint/performance/useDomNodeTextContent: Playwright's, and only what is visible counts
  page.locator(selector).first().innerText();

/** Asserts that a part of the page comes to say something. */
async function says(t: Test, look: () => Promise<string>, pattern: RegExp, message: string): Promise<void> {
  t.match(await settled(look, (text) => pattern.test(text)), pattern, message);
}

/** Asserts that what a part of the page shows comes to equal something. */
async function shows<T>(t: Test, look: () => Promise<T>, expected: T, message: string): Promise<void> {
  const same = (seen: T) => JSON.stringify(seen) === JSON.stringify(expected);
  t.same(await settled(look, same), expected, message);
}

const caption = (page: Page) => read(page, "#panel-caption .caption");
const readout = (page: Page) => read(page, ".readout");
const errors = (page: Page) => read(page, "#errors");
const about = (page: Page) => read(page, "#picture-about");
const words = (page: Page) => page.locator("#panel-caption .word").allInnerTexts();
const bytesInUse = async (page: Page) => Number(await page.locator("#facts").getAttribute("data-bytes"));
const word = (page: Page, position: number) => page.locator("#panel-caption .word").nth(position);

/** A picture of the page in the folder of screenshots. */
const shoot = (page: Page, name: string) =>
  page.screenshot({ path: screenshotPath(`${name}.png`), fullPage: true });

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

t.test("the status line names what goes on until the first caption", async (t) => {
  const { page } = await openPage(await sharedBrowser(), site.url, () => {
    const seen: string[] = [];
    Object.assign(globalThis, { seen });
    new MutationObserver(() => {
      const text = document.getElementById("status-text")?.textContent ?? "";
      if (text !== seen.at(-1)) seen.push(text);
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  t.teardown(() => page.close());
  page.setDefaultTimeout(patience);
  await ready(page);
  const seen = await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
  for (const pattern of [
    /^Loading the shipped weights/,
    /^Compiling kernels: \d+ of \d+$/,
    /^Running the kernels for the first time …$/,
    /^Encoding the picture …$/,
    /^Denoising: step 1 of 10$/,
    /^Denoising: step 10 of 10$/,
  ])
    t.ok(
      seen.some((text) => pattern.test(text)),
      String(pattern),
    );
  const at = (pattern: RegExp) => seen.findIndex((text) => pattern.test(text));
  t.ok(at(/^Compiling/) < at(/^Encoding/), "kernels are compiled before the picture's turn");
  await says(t, () => page.locator("#status-text").innerHTML(), /^$/, "and is empty in the end");
});

/** Fewer steps still, where captions do not matter at all. */
async function setSteps(page: Page, steps: number): Promise<void> {
  await page.getByText("Sampling settings").click();
  await page.getByLabel("Steps", { exact: true }).fill(String(steps));
}

const complains = (page: Page, pattern: RegExp, t: Test, message: string): Promise<void> =>
  says(t, () => errors(page), pattern, message);

/** A share as the page writes it, in percent. */
const shareOf = (text: string) => (text.startsWith("<") ? 0.05 : Number.parseFloat(text));

/**
 * Asserts that words and cells tell the same attention: over all cells, the word that looks most at one is the word whose
 * brightest cell is the brightest of all.
 */
async function attentionAgrees(t: Test, page: Page, words: readonly string[]): Promise<void> {
  const grid = page.getByRole("application");
  const brightest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    await word(page, i).hover();
    const text = await settled(
      () => readout(page),
      (text) => text.startsWith(`“${words[i] === "end" ? "[END]" : words[i]}” gives `),
    );
    brightest.push(/((?:< )?[\d.]+) % to the brightest cell/.exec(text)?.[1] ?? text);
  }
  await grid.focus();
  await page.keyboard.press("Home");
  for (let row = 1; row < 8; row++) await page.keyboard.press("ArrowUp");
  let most = { share: "", word: "" };
  /** The largest share that a cell names for a word. */
  const found = new Map<string, number>();
  for (let cell = 0; cell < 64; cell++) {
    const at = `Row ${Math.floor(cell / 8) + 1}, column ${(cell % 8) + 1},`;
    const text = await settled(
      () => readout(page),
      (text) => text.startsWith(at),
    );
    const named = (text.split("attended to most by ")[1] ?? "")
      .split(", ")
      .map((part) => /^(.+) ((?:< )?[\d.]+) %/.exec(part) ?? []);
    const shares = named.map(([, , share]) => shareOf(share ?? "NaN"));
    if (shares.length !== 3 || !shares.every((share, i) => i === 0 || share <= shares[i - 1]!))
      t.fail(`${text}: three words, the one that looks most first`);
    for (const [, name, share] of named) {
      const word = name === "the end" ? "end" : name!;
      found.set(word, Math.max(found.get(word) ?? 0, shareOf(share ?? "NaN")));
    }
    const [, name, share] = named[0]!;
    if (share && shareOf(share) > shareOf(most.share || "0"))
      most = { share, word: name === "the end" ? "end" : name! };
    await page.keyboard.press(cell % 8 === 7 ? "Home" : "ArrowRight");
    if (cell % 8 === 7) await page.keyboard.press("ArrowDown");
  }
  t.comment(`${most.word} ${most.share} %; by words: ${brightest.join(", ")}`);
  t.ok(
    words.some((word, i) => word === most.word && brightest[i] === most.share),
    `cells and words agree: “${most.word}” looks most at one place, ${most.share} %`,
  );
  const once = words.flatMap((word, i) => (words.filter((other) => other === word).length === 1 ? [i] : []));
  const beyond = once.filter((i) => (found.get(words[i]!) ?? 0) > shareOf(brightest[i]!));
  t.ok(once.length > 2, `${once.length} words stand once`);
  t.same(
    beyond.map((i) => `${words[i]}: ${found.get(words[i]!)} % at a cell, ${brightest[i]} %`),
    [],
    "no cell shows one of them brighter than its brightest",
  );
  const largest = brightest.reduce((a, b) => (shareOf(b) > shareOf(a) ? b : a));
  t.equal(largest, most.share, "and no word has a brighter cell");
}

t.test("a picture, its codes and its caption, step by step", async (t) => {
  const { page, problems } = await open();
  await ready(page);
  t.equal(await page.locator(".gallery button").count(), 84, "pictures to choose from");
  const widths = await page.locator(".gallery img").evaluateAll((images) =>
    Promise.all(
      images.map(async (image) => {
        const picture = image as HTMLImageElement;
        picture.loading = "eager";
        await picture.decode();
        return picture.naturalWidth;
      }),
    ),
  );
  t.same([...new Set(widths)], [128], "all of them load");
  await says(t, () => read(page, ".figures"), /Codes y: 64 of 512, \d+ different/, "the codes");
  await says(t, () => about(page), /Reference captions: “/, "its reference captions");
  const final = await words(page);
  t.equal(final.length, 12, "all positions of the caption");
  const said = final.slice(0, final.indexOf("end") < 0 ? undefined : final.indexOf("end"));
  t.equal(await caption(page), said.join(" ") || "(no words)", "the caption is its words up to the end");

  const slider = page.getByLabel("Denoising step");
  await slider.focus();
  await page.keyboard.press("Home");
  const first = await settled(
    () => read(page, ".scrubber output"),
    (text) => text.startsWith("t = 90"),
  );
  t.match(first, /^t = 90, \d+ of 12 masked$/, `the keyboard goes to the first step: ${first}`);
  const masked = (await words(page)).filter((word) => word === "[MASK]").length;
  t.ok(masked >= 6, `where most is masked: ${masked} of 12`);
  t.match(first, new RegExp(`, ${masked} of`), "as it says");
  await shoot(page, "caption-first-step");
  await page.keyboard.press("End");
  await shows(t, () => words(page), final, "and back to the last");

  await word(page, 0).hover();
  await says(
    t,
    () => readout(page),
    new RegExp(`^“${final[0]}” gives \\d.* % of its cross-attention to the 64 codes`),
    "a word: where it looks",
  );
  await shoot(page, "caption-attention");
  const grid = page.getByRole("application");
  await grid.focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  await says(
    t,
    () => readout(page),
    /^Row 2, column 2, code \d+: attended to most by .+ %, .+ %, .+ %\.$/,
    "a region: the words that it feeds",
  );
  await grid.hover({ position: { x: 2, y: 2 } });
  await says(t, () => readout(page), /^Row 1, column 1, /, "by the pointer too");
  await attentionAgrees(t, page, final);
  await grid.hover({ position: { x: 2, y: 2 } });
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
  await endsWell(t, page, problems);
});

t.test("words are locked, replaced and masked", async (t) => {
  const { page, problems } = await open();
  await ready(page);
  const before = await words(page);
  const editor = page.locator(".editor");
  const again = () =>
    ended(page, "caption", () => page.getByRole("button", { name: "Denoise again" }).click());

  await word(page, 1).click();
  await shoot(page, "caption-editor");
  await editor.getByRole("button", { name: "Mask", exact: true }).click();
  await shows(t, async () => (await words(page))[1], "[MASK]", "masked");
  const plan = () => read(page, "#panel-caption .denoising");
  await says(t, plan, /1 masked: only masked words will be denoised again/, "it says what will happen");
  await again();
  const filled = await words(page);
  const others = (list: string[]) => list.filter((_, i) => i !== 1);
  t.same(others(filled), others(before), "only the masked word was drawn again");
  t.not(filled[1], "[MASK]", `with a word there: ${filled[1]}`);

  await word(page, 0).click();
  const alternative = ".alternatives > button[aria-pressed=false]:nth-of-type(2)";
  const text = await read(page, alternative);
  t.match(text, /^.+ (< )?\d+(\.\d)? %$/, `alternatives come with their probabilities: ${text}`);
  const shares = (await page.locator(".alternatives > button").allInnerTexts()).map((text) =>
    shareOf(/(< )?[\d.]+(?= %$)/.exec(text)?.[0] ?? "NaN"),
  );
  t.ok(
    shares.length > 2 && shares.every((share, i) => i === 0 || share <= shares[i - 1]!),
    `the likely ones first: ${shares.join(", ")}`,
  );
  const other = text.replace(/ (< )?[\d.]+ %$/, "");
  await page.locator(alternative).click();
  await editor.getByLabel("Another word").fill("quantum");
  await page.keyboard.press("Enter");
  const refusal = /“quantum” is not among the \d+ words that this model knows/;
  await says(t, () => read(page, ".editor"), refusal, "an unknown word");
  await page.keyboard.press("Escape");
  await shows(t, () => editor.isHidden(), true, "Escape closes the editor");
  const focused = () => page.evaluate(() => document.activeElement?.className);
  await shows(t, focused, "word", "and the focus goes back to the word");
  await again();
  t.equal((await words(page))[0], other === "end of the caption" ? "end" : other, "what was chosen stays");
  const locked = () => page.locator("#panel-caption .word[data-mark=locked]").count();
  await shows(t, locked, 1, "locked");
  await page.getByRole("button", { name: "Clear locks and masks" }).click();
  await shows(t, locked, 0, "until it is let go");
  await endsWell(t, page, problems);
});

t.test("the guidance lab", async (t) => {
  const { page, problems } = await open("#guidance");
  const methods = ["none", "cfg", "mcs", "mcs-printed"];
  const outcome = (method: string) => read(page, `[data-method=${method}] .outcome`);
  const formula = () => read(page, "[data-method=mcs] .formula");
  await ready(page, "guidance");
  const example = () => read(page, "#guidance-example");
  await says(t, example, /found this example, where guidance matters/, "an example found by search");
  await shows(t, formula, "log pₘ + 2 (log p − log pₘ)", "the formula with its ω");
  // Of the example the model is too sure for what follows: no two methods may agree in three digits.
  const other = page.locator('#panel-guidance .gallery button[aria-label^="vulcan salute"]');
  await ended(page, "guidance", () => other.click());
  await shows(t, example, "", "until another picture is chosen");
  const captions = await Promise.all(methods.map(outcome));
  t.comment(captions.join(" | "));
  t.ok(!captions.some((text) => ["", "…", "waiting"].includes(text)), "four captions");
  /** The probabilities of a method's words, in which no two methods agree. */
  const sure = (method: string) =>
    page
      .locator(`[data-method=${method}] .word`)
      .evaluateAll((elements) =>
        elements.map((element) => (element as HTMLElement).style.getPropertyValue("--sure")).join(" "),
      );
  const drawn = await Promise.all(methods.map(sure));
  t.equal(new Set(drawn).size, 4, "each method draws its own");
  const wordsOf = (method: string) =>
    page.locator(`[data-method=${method}] .word`).evaluateAll((elements) =>
      elements.map((element) => {
        const { word, differs } = (element as HTMLElement).dataset;
        return { word, differs };
      }),
    );
  const plain = await wordsOf("none");
  for (const method of methods.slice(1)) {
    const underlined = (await wordsOf(method)).map(({ differs }) => differs);
    const wanted = (await wordsOf(method)).map(({ word }, i) => String(word !== plain[i]?.word));
    t.same(underlined, wanted, `${method}: words that differ from those without guidance are underlined`);
  }
  await shoot(page, "guidance");

  const setScale = (scale: number) =>
    ended(page, "guidance", () => page.getByLabel("Scale ω").fill(`${scale}`));
  await setScale(1);
  await says(t, formula, /this ω gives the full prediction alone/, "ω = 1");
  await shows(
    t,
    () => outcome("mcs"),
    captions[0],
    "which is no guidance: the same words from the same seed",
  );
  await shows(t, () => outcome("cfg"), captions[0], "with cfg too");
  t.not(
    await sure("mcs-printed"),
    await sure("none"),
    "not so as printed, where ω is the weight of the partial one",
  );
  await setScale(3);
  await shows(t, () => outcome("none"), captions[0], "no guidance has no scale");

  const [cfg, mcs] = [await sure("cfg"), await sure("mcs")];
  await page.getByRole("application").focus();
  await page.keyboard.press(" ");
  await says(
    t,
    () => read(page, ".lab"),
    /MCS hides the 1 painted code of 64\./,
    "a code painted by the keyboard",
  );
  await ended(page, "guidance", () => page.getByRole("button", { name: "Invert" }).click());
  await says(t, () => read(page, ".lab"), /MCS hides the 63 painted codes of 64\./, "all others");
  t.equal(await sure("cfg"), cfg, "which changes nothing without MCS");
  t.not(await sure("mcs"), mcs, "and something with it");
  await shoot(page, "guidance-painted");
  await page.getByRole("button", { name: "Hide none" }).click();
  await says(
    t,
    () => read(page, ".lab"),
    /Nothing is painted: MCS hides 10 % of the codes at random/,
    "none",
  );
  await endsWell(t, page, problems);
});

t.test("pictures that are none, too small, too large", async (t) => {
  const { page, problems } = await open();
  await ready(page);
  await setSteps(page, 2);
  const offer = (name: string, buffer: Buffer) =>
    page.locator("#file").setInputFiles({ name, mimeType: "image/png", buffer });
  const solid = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: "#cc4422" } })
      .png()
      .toBuffer();
  for (const [name, buffer, pattern] of [
    [
      "notes.png",
      Buffer.from("This is a text file.\n"),
      /^notes\.png: the file is text that begins "This is a text file\.", and a PNG, JPEG or WebP image was expected\./,
    ],
    ["empty.png", Buffer.alloc(0), /^empty\.png: the file is empty, and a PNG/],
    ["moving.png", Buffer.from("GIF89a…"), /^moving\.png: the file is a GIF image, and a PNG/],
    [
      "drawing.png",
      Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"),
      /^drawing\.png: the file is an SVG drawing/,
    ],
    [
      "cut.png",
      (await solid(64, 64)).subarray(0, 60),
      /^cut\.png: the PNG image is damaged or cannot be read/,
    ],
    [
      "huge.png",
      await solid(10_010, 10_000),
      /^huge\.png: the image is 10010×10000 pixels, and at most 100 million pixels are read; scale it down first\./,
    ],
  ] as const) {
    await offer(name, buffer);
    await complains(page, pattern, t, name);
  }
  for (const [name, width, height, pattern] of [
    [
      "dot.png",
      1,
      1,
      /^dot\.png\. It is a single pixel: the model sees only one colour and can only guess\.$/,
    ],
    [
      "wall.png",
      8660,
      5774,
      /^wall\.png\. It has 50 million pixels \(8660×5774\) and was scaled down to 512×341\.$/,
    ],
  ] as const) {
    const picture = await solid(width, height);
    await ended(page, "caption", () => offer(name, picture));
    await says(t, () => about(page), pattern, name);
    await atRest(page);
    t.equal(await errors(page), "", "errors of before are gone");
    t.not(await caption(page), "", "it has a caption");
  }
  await endsWell(t, page, problems);
});

t.test("a drawing, a dropped and a pasted picture", async (t) => {
  const { page, problems } = await open();
  await ready(page);
  await setSteps(page, 2);
  await page.getByRole("button", { name: "Draw", exact: true }).click();
  await page.getByRole("button", { name: "red", exact: true }).click();
  const box = (await page.locator(".pad").boundingBox())!;
  await page.mouse.move(box.x + 60, box.y + 60);
  await page.mouse.down();
  await page.mouse.move(box.x + 190, box.y + 190, { steps: 5 });
  await page.mouse.up();
  await shoot(page, "caption-drawing");
  await ended(page, "caption", () => page.getByRole("button", { name: "Caption the drawing" }).click());
  await says(t, () => about(page), /^your drawing\./, "a drawing");
  const reds = await page.getByRole("application").evaluate((element) => {
    const canvas = element as HTMLCanvasElement;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i]! > 180 && data[i + 1]! < 110) count++;
    return count;
  });
  t.ok(reds > 5000, `is what is captioned: ${reds} red pixels`);
  for (const kind of ["drop", "paste"] as const) {
    const bring = () =>
      page.evaluate(async (kind) => {
        const canvas = new OffscreenCanvas(8, 8);
        canvas.getContext("2d")!.fillRect(0, 0, 4, 4);
        const transfer = new DataTransfer();
        transfer.items.add(new File([await canvas.convertToBlob()], `${kind}.png`, { type: "image/png" }));
        const event =
          kind === "drop"
            ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
        document.querySelector("#panel-caption")!.dispatchEvent(event);
      }, kind);
    await ended(page, "caption", bring);
    await says(t, () => about(page), new RegExp(`^${kind}\\.png\\.`), kind);
    t.not(await caption(page), "", "has a caption");
  }
  await endsWell(t, page, problems);
});

t.test("ten captions leave no memory behind", async (t) => {
  const { page, problems } = await open();
  await ready(page);
  await setSteps(page, 3);
  const use = (i: number) =>
    ended(page, "caption", () => page.locator("#panel-caption .gallery button").nth(i).click());
  await use(1);
  const before = await bytesInUse(page);
  t.ok(before > 7e6, `${before} bytes in use, the model's weights among them`);
  for (let i = 2; i < 12; i++) await use(i);
  await shows(t, () => bytesInUse(page), before, "as many as before");
  await endsWell(t, page, problems);
});

t.test("the GPU process dies", async (t) => {
  const browser = await launch();
  t.teardown(() => browser.close());
  const { page } = await openPage(browser, site.url);
  page.setDefaultTimeout(patience);
  await ready(page);
  const before = await words(page);
  await ended(page, "caption", async () => {
    const session = await browser.browser.newBrowserCDPSession();
    // Its answer does not come: the process is gone.
    session.send("Browser.crashGpuProcess").catch(() => {});
  });
  await says(
    t,
    () => read(page, "#status"),
    /^The GPU was lost and has been reopened\.$/,
    "it says what happened",
  );
  await shows(t, () => words(page), before, "the page goes on, with the same caption");
  await atRest(page);
  t.same(await words(page), before, "and keeps it");
  t.equal(await errors(page), "", "and needs nobody's help");
});

t.test("narrow and wide, light and dark", async (t) => {
  const { page, problems } = await open();
  await ready(page);
  await page.emulateMedia({ reducedMotion: "reduce" });
  for (const [name, width, height] of [
    ["wide", 1280, 900],
    ["narrow", 360, 780],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      for (const tab of ["caption", "guidance", "train", "kernels"]) {
        await page.locator(`#tab-${tab}`).click();
        const content = tab === "caption" || tab === "guidance" ? ".word" : "button";
        await page.locator(`#panel-${tab} ${content}`).first().waitFor();
        // At rest: what comes late may stick out too.
        await atRest(page);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        t.equal(overflow, 0, `${tab}, ${name}: nothing sticks out`);
        await shoot(page, `${tab}-${name}-${colorScheme}`);
      }
    }
  }
  await page.locator("#tab-caption").focus();
  await page.keyboard.press("ArrowRight");
  const selected = () => read(page, "[role=tab][aria-selected=true]");
  await shows(t, selected, "Guidance lab", "tabs by the arrow keys");
  await endsWell(t, page, problems);
});
