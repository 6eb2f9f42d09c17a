/**
 * Messages of the demo page: each appears, is still there when the page has come to rest, whatever happened beside it, and
 * is gone when its cause is over.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page, Route } from "playwright-core";
import t, { type Test } from "tap";
import { shippedWeights } from "../../dist/platform/node.js";
import { sharedBrowser } from "./chromium.js";
import { atRest, countRequests, settled } from "./settled.js";
import { buildQuickSite, screenshotPath, serve } from "./site.js";

const folder = join(t.testdir(), "site");
await buildQuickSite(folder, 2);
const site = await serve(folder, 0);
t.teardown(() => site.close());

/** On a software adapter beside other work kernels compile for a while. */
const patience = 400_000;

/** What the tests use in the page. */
interface Hooks {
  /** Whether `navigator.gpu` is there. */
  webgpu: boolean;
  /** Whether buffers can be read back. */
  readable: boolean;
  devices: GPUDevice[];
}

/** Puts `hooks` into the page before anything else runs there. */
function hook(webgpu: boolean): void {
  const hooks: Hooks = { webgpu, readable: true, devices: [] };
  Object.assign(globalThis, { hooks });
  const { gpu } = navigator;
  Object.defineProperty(navigator, "gpu", { get: () => (hooks.webgpu ? gpu : undefined) });
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (this: GPUAdapter, ...rest) {
    const device = await requestDevice.apply(this, rest);
    hooks.devices.push(device);
    return device;
  };
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (this: GPUBuffer, ...rest) {
    if (!hooks.readable) return Promise.reject(new Error("no buffer can be read"));
    return mapAsync.apply(this, rest);
  };
}

declare global {
  /** In a page of these tests only. */
  var hooks: Hooks;
}

/** A page that is not at the site yet, so that a test can intercept its requests first. */
async function newPage(t: Test, { webgpu = true } = {}): Promise<Page> {
  const { browser } = await sharedBrowser();
  const page = await browser.newPage();
  t.teardown(() => page.close());
  page.setDefaultTimeout(patience);
  countRequests(page);
  page.on("pageerror", (error) => t.fail(`the page does not catch: ${error.message}`));
  await page.addInitScript(hook, webgpu);
  return page;
}

const message = (page: Page, source: string) => page.locator(`[data-source="${source}"]`);

/** The text of a source's message as it is now; null if there is none that can be seen. */
async function textOf(page: Page, source: string): Promise<string | null> {
  const texts = await message(page, source).allInnerTexts();
  return texts.length === 0 ? null : texts.join(" | ");
}

/** Asserts that a message comes. */
async function comes(t: Test, page: Page, source: string, pattern: RegExp): Promise<void> {
  const text = await settled(
    () => textOf(page, source),
    (text) => text !== null && pattern.test(text),
  );
  t.match(text, pattern, `${source}: the message comes`);
}

/** Asserts that a message is there when the page has come to rest. */
async function stays(t: Test, page: Page, source: string, pattern: RegExp, beside: string): Promise<void> {
  await atRest(page);
  t.match(await textOf(page, source), pattern, `${source}: the message stays, ${beside}`);
}

/** Asserts that a message is gone when the page has come to rest. */
async function isOver(t: Test, page: Page, source: string, when: string): Promise<void> {
  await atRest(page);
  t.equal(await textOf(page, source), null, `${source}: the message is gone, ${when}`);
}

/** Presses "Try again" of a message and waits until the attempt has ended. */
async function tryAgain(page: Page, source: string): Promise<void> {
  await message(page, source).getByRole("button", { name: "Try again" }).click();
  await atRest(page);
}

const picture = (page: Page, i: number) => page.locator("#panel-caption .gallery button").nth(i);
const isChosen = (page: Page, i: number) => picture(page, i).and(page.locator("[aria-pressed=true]"));
const captions = (page: Page, count: number) =>
  page.locator(`#panel-caption .denoising[data-finished="${count}"]`).waitFor();
const caption = (page: Page) => page.locator("#panel-caption .caption").first();
const offerText = (page: Page) =>
  page.locator("#file").setInputFiles({
    name: "notes.png",
    mimeType: "image/png",
    buffer: Buffer.from("This is a text file.\n"),
  });
const shoot = (page: Page, name: string) =>
  page.screenshot({ path: screenshotPath(`message-${name}.png`), fullPage: true });

/** Holds the answers to requests back until they are let go. */
async function hold(page: Page, url: string): Promise<() => void> {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(url, async (route) => {
    await released;
    await route.continue();
  });
  return release;
}

const answer404 = (route: Route) => route.fulfill({ status: 404, body: "There is no such file." });

for (const order of ["before", "after"] as const) {
  t.test(`no WebGPU, told ${order} the gallery comes`, async (t) => {
    const page = await newPage(t, { webgpu: false });
    const wanted = /^WebGPU is not available here.*a recorded caption is shown instead\./s;
    const letGo = await hold(page, order === "before" ? "**/gallery.json" : "**/app*.js");
    await page.goto(site.url);
    if (order === "before") await comes(t, page, "gpu", wanted);
    letGo();
    await page.locator(".recorded .word").first().waitFor();
    await stays(t, page, "gpu", wanted, "with the gallery loaded");
    const remedies = message(page, "gpu").locator("li");
    t.match((await remedies.allTextContents()).join(), /Chrome and Edge .*113.*Firefox .*141.*Safari .*26/s);
    t.equal(
      await message(page, "gpu").getByRole("button", { name: "Close" }).count(),
      0,
      "it is there for good",
    );
    await shoot(page, `no-webgpu-${order}`);
    t.equal(await page.locator("#panel-caption .live").isVisible(), false, "nothing that needs the GPU");
    const recorded = page.locator(".recorded");
    const said = (await recorded.locator(".caption").textContent()) ?? "";
    await recorded.getByLabel("Denoising step").focus();
    await page.keyboard.press("Home");
    await recorded.locator(".caption").filter({ hasText: "…" }).waitFor();
    const masks = (await recorded.locator(".word").allInnerTexts()).filter(
      (word) => word === "[MASK]",
    ).length;
    t.ok(masks >= 6, `a recorded caption can be scrubbed: ${masks} masks at its first step`);
    await page.keyboard.press("End");
    await recorded.locator(".caption").filter({ hasText: said }).waitFor();
    await page.locator("#tab-guidance").click();
    await page.locator("#panel-guidance .gallery button").first().waitFor();
    await page.locator("#tab-caption").click();
    await stays(t, page, "gpu", wanted, "after a look at another tab");
    await tryAgain(page, "gpu");
    await stays(t, page, "gpu", wanted, "as long as it is so");
    t.equal(await message(page, "gpu").count(), 1, "once only");
    if (order === "after") return;
    await page.evaluate(() => {
      globalThis.hooks.webgpu = true;
    });
    await tryAgain(page, "gpu");
    await captions(page, 1);
    await isOver(t, page, "gpu", "once there is WebGPU");
    t.equal(await page.locator(".recorded").count(), 0, "and the recorded caption is gone");
    t.equal(await page.locator(".error").count(), 0, "no other message came");
  });
}

const damage = async (route: Route) => {
  const response = await route.fetch();
  const body = await response.body();
  body[body.length - 5]! ^= 1;
  await route.fulfill({ response, body });
};
const cut = async (route: Route) => {
  const response = await route.fetch();
  const headers = { ...response.headers() };
  delete headers["content-length"];
  await route.fulfill({ status: 200, headers, body: (await response.body()).subarray(0, 5000) });
};

for (const [what, url, handler, pattern] of [
  [
    "damaged",
    "**/model.safetensors",
    damage,
    /model\.safetensors is damaged or of another version: its \d+ bytes are not the \d+ whose SHA-256 config\.json names\. Try again/,
  ],
  [
    "cut off",
    "**/model.safetensors",
    cut,
    /model\.safetensors is damaged or of another version: its 5000 bytes are not the \d+ whose/,
  ],
  [
    "not found",
    "**/weights/emoji/config.json",
    answer404,
    /^Cannot fetch .*config\.json: the server answered with status 404\. Try again/,
  ],
  [
    "not fetched",
    "**/model.safetensors",
    (route: Route) => route.abort(),
    /^Cannot fetch .*model\.safetensors: Failed to fetch\. Try again/,
  ],
] as const) {
  t.test(`weights that are ${what}`, async (t) => {
    const page = await newPage(t);
    await page.route(url, handler);
    const letGo = await hold(page, "**/gallery.json");
    await page.goto(site.url);
    await comes(t, page, "captioner", pattern);
    letGo();
    await isChosen(page, 0).waitFor();
    await stays(t, page, "captioner", pattern, "with the gallery loaded and its first picture in use");
    await picture(page, 2).click();
    await isChosen(page, 2).waitFor();
    await tryAgain(page, "captioner");
    await stays(t, page, "captioner", pattern, "with another picture, after a second failure");
    t.equal(await page.locator(".error").count(), 1, "once only");
    await shoot(page, `weights-${what.replaceAll(" ", "-")}`);
    await page.unroute(url);
    await tryAgain(page, "captioner");
    await captions(page, 1);
    await isOver(t, page, "captioner", "once they are right");
    t.not(await caption(page).textContent(), "", "there is a caption");
  });
}

t.test("the GPU is lost again and again, while weights are missing", async (t) => {
  const page = await newPage(t);
  await page.route("**/model.safetensors", answer404);
  await page.goto(site.url);
  const missing = /^Cannot fetch .*: the server answered with status 404/;
  await comes(t, page, "captioner", missing);
  for (let count = 1; count <= 4; count++) {
    await atRest(page);
    t.equal(await textOf(page, "gpu"), null, "no message before the fourth loss");
    await page.evaluate(() => globalThis.hooks.devices.at(-1)!.destroy());
    if (count === 4) break;
    await page.waitForFunction((count) => globalThis.hooks.devices.length > count, count);
  }
  const often = /^The browser lost the GPU \(it was closed\), 4 times within a minute\. Try again/;
  await comes(t, page, "gpu", often);
  await stays(t, page, "gpu", often, "at rest");
  await stays(t, page, "captioner", missing, "beside the other");
  await picture(page, 1).click();
  await isChosen(page, 1).waitFor();
  await stays(t, page, "gpu", often, "with another picture");
  await shoot(page, "lost-often");
  await tryAgain(page, "gpu");
  await isOver(t, page, "gpu", "once a device is open");
  await stays(t, page, "captioner", missing, "as it has a cause of its own");
  await page.unroute("**/model.safetensors");
  await tryAgain(page, "captioner");
  await captions(page, 1);
  await isOver(t, page, "captioner", "once the weights are there");
});

/** Keeps the weights away, so that no picture is captioned. */
const withoutWeights = (page: Page) => page.route("**/weights/emoji/config.json", answer404);

t.test("a picture that cannot be decoded", async (t) => {
  const page = await newPage(t);
  await withoutWeights(page);
  const letGo = await hold(page, "**/gallery.json");
  await page.goto(site.url);
  const pattern = /^notes\.png: the file is text that begins/;
  await page.locator("#file").waitFor({ state: "attached" });
  await offerText(page);
  await comes(t, page, "picture", pattern);
  letGo();
  await isChosen(page, 0).waitFor();
  await stays(t, page, "picture", pattern, "though the gallery's first picture came into use");
  await comes(t, page, "captioner", /status 404/);
  await tryAgain(page, "captioner");
  await stays(t, page, "picture", pattern, "whatever becomes of the weights");
  await shoot(page, "picture");
  await picture(page, 1).click();
  await isChosen(page, 1).waitFor();
  await isOver(t, page, "picture", "once another picture is chosen");
  await offerText(page);
  await comes(t, page, "picture", pattern);
  await message(page, "picture").getByRole("button", { name: "Close this message" }).click();
  await isOver(t, page, "picture", "once it is closed");
  t.match(await textOf(page, "captioner"), /status 404/, "and the other one is not closed with it");
});

t.test("a gallery that cannot be fetched", async (t) => {
  const page = await newPage(t);
  await withoutWeights(page);
  await page.route("**/gallery.json", answer404);
  await page.route("**/gallery/*.png", answer404);
  await page.goto(site.url);
  const list = /^The gallery cannot be fetched: The server answered with status 404\. Try again/;
  await comes(t, page, "gallery", list);
  await stays(t, page, "gallery", list, "at rest");
  await page.unroute("**/gallery.json");
  await tryAgain(page, "gallery");
  t.equal(await page.locator("#panel-caption .gallery button").count(), 84, "its pictures");
  const first = /^Cannot fetch gallery\/.+\.png: the server answered with status 404\. Try again/;
  await stays(t, page, "gallery", first, "now about the first picture");
  await picture(page, 5).click();
  await comes(t, page, "picture", first);
  await stays(t, page, "picture", first, "at rest");
  await page.unroute("**/gallery/*.png");
  await tryAgain(page, "picture");
  await isChosen(page, 5).waitFor();
  await isOver(t, page, "picture", "once it is fetched");
  await isOver(t, page, "gallery", "as there is a picture now");
});

t.test("offline", async (t) => {
  const page = await newPage(t);
  await withoutWeights(page);
  await page.goto(site.url);
  await isChosen(page, 0).waitFor();
  await atRest(page);
  await page.context().setOffline(true);
  const offline = /^The browser is offline\./;
  await comes(t, page, "offline", offline);
  await picture(page, 7).click();
  const fetching = /^Cannot fetch gallery\/.+\.png: Failed to fetch\. Try again/;
  await comes(t, page, "picture", fetching);
  await page.locator("#tab-train").click();
  const program = /^The tab “Train” cannot be opened: .+ Try again/;
  await comes(t, page, "tab train", program);
  await page.locator("#tab-caption").click();
  await stays(t, page, "offline", offline, "at rest");
  await stays(t, page, "picture", fetching, "beside it");
  await stays(t, page, "tab train", program, "beside them");
  await shoot(page, "offline");
  await page.context().setOffline(false);
  await isOver(t, page, "offline", "online again");
  await stays(t, page, "picture", fetching, "until it is tried again");
  await tryAgain(page, "picture");
  await isChosen(page, 7).waitFor();
  await isOver(t, page, "picture", "once it is fetched");
  await message(page, "tab train").getByRole("button", { name: "Try again" }).click();
  await page.locator("#panel-train button").first().waitFor();
  await isOver(t, page, "tab train", "once it is open");
});

t.test("work that fails, and an error of the engine", async (t) => {
  const page = await newPage(t);
  await page.goto(site.url);
  await captions(page, 1);
  await page.evaluate(() => {
    globalThis.hooks.readable = false;
  });
  const again = page.getByRole("button", { name: "Denoise again" });
  await again.click();
  const unreadable = /^Reading [^:]+ failed: no buffer can be read\. Try again/;
  await comes(t, page, "caption", unreadable);
  await page.locator("#tab-guidance").click();
  await comes(t, page, "guidance", unreadable);
  await stays(t, page, "caption", unreadable, "beside that of another tab");
  await stays(t, page, "guidance", unreadable, "at rest");
  await page.evaluate(() => {
    globalThis.hooks.readable = true;
  });
  await page.locator("#tab-caption").click();
  await stays(t, page, "caption", unreadable, "until the user tries again");
  await tryAgain(page, "caption");
  await isOver(t, page, "caption", "once the work succeeds");
  await stays(t, page, "guidance", unreadable, "though the work of the other tab succeeded");
  await picture(page, 2).click();
  await isOver(t, page, "guidance", "once there is another picture");

  await page.evaluate(() => {
    const error = new GPUValidationError('[Buffer "mcd test"] is not valid');
    globalThis.hooks.devices
      .at(-1)!
      .dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error, cancelable: true }));
  });
  const engine = /\[Buffer "mcd test"\] is not valid/;
  await comes(t, page, "engine", engine);
  await stays(t, page, "engine", engine, "at rest");
  // The engine throws it at the next call too, once.
  await again.click();
  await comes(t, page, "caption", engine);
  await tryAgain(page, "caption");
  await isOver(t, page, "caption", "once the work succeeds");
  await isOver(t, page, "engine", "as well");
});

t.test("weights of files that are damaged, while others are in use", async (t) => {
  const page = await newPage(t);
  await page.goto(site.url);
  await captions(page, 1);
  await page.locator("#tab-train").click();
  const [config, model] = ["config.json", "model.safetensors"].map((name) => ({
    name,
    mimeType: "application/octet-stream",
    buffer: readFileSync(join(shippedWeights(), name)),
  })) as [
    { name: string; mimeType: string; buffer: Buffer },
    { name: string; mimeType: string; buffer: Buffer },
  ];
  const input = page.locator("#train-weights");
  await input.setInputFiles([model]);
  const both = /^Choose both files of a weights folder at once/;
  await comes(t, page, "weights", both);
  await stays(t, page, "weights", both, "at rest");
  const damaged = Buffer.from(model.buffer);
  damaged[damaged.length - 5]! ^= 1;
  await input.setInputFiles([config, { ...model, buffer: damaged }]);
  const pattern = /model\.safetensors is damaged or of another version: it is not the file whose SHA-256/;
  await comes(t, page, "captioner", pattern);
  await isOver(t, page, "weights", "once both files are chosen");
  await page.locator("#tab-caption").click();
  await page.getByRole("button", { name: "Denoise again" }).click();
  await captions(page, 2);
  await stays(t, page, "captioner", pattern, "while the other weights work on");
  const facts = page.locator("#facts");
  t.match(await facts.textContent(), /the shipped weights$/, "and are named at the foot of the page");
  await page.evaluate(() => globalThis.hooks.devices.at(-1)!.destroy());
  await captions(page, 3);
  await stays(t, page, "captioner", pattern, "also when those are loaded again after a loss of the GPU");
  t.match(await facts.textContent(), /the shipped weights$/, "which are in use again");
  await input.setInputFiles([config, model]);
  await captions(page, 4);
  await isOver(t, page, "captioner", "once weights of files are loaded");
  t.match(await facts.textContent(), /the weights from your files$/, "which are in use now");
});

t.test("the page of embedding without WebGPU", async (t) => {
  const page = await newPage(t, { webgpu: false });
  await page.goto(`${site.url}embed.html`);
  await atRest(page);
  t.equal(
    await page.locator("#facts").textContent(),
    "This browser provides no WebGPU adapter.",
    "says what is missing, and nothing else takes its place",
  );
});
