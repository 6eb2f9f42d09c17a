/** The example of embedding: a page's own frames on its own device, with the engine's buffers in its shader. */
import { join } from "node:path";
import type { Page } from "playwright-core";
import { PNG } from "pngjs";
import t from "tap";
import { launch, openPage } from "./launch.js";
import { settled } from "./settled.js";
import { buildSite, screenshotPath, serve } from "./site.js";

const folder = join(t.testdir(), "site");
await buildSite(folder);
const site = await serve(folder, 0);
t.teardown(() => site.close());
const browser = await launch({ presents: true });
t.teardown(() => browser.close());
t.setTimeout(600_000);
const patience = 400_000;

/** Counts in the page what must not happen there. */
interface Counts {
  reads: number;
  destroyed: number;
  lost: number;
  devices: number;
}

function count(): void {
  const counts: Counts = { reads: 0, destroyed: 0, lost: 0, devices: 0 };
  Object.assign(globalThis, { counts });
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (this: GPUBuffer, ...rest) {
    counts.reads++;
    return mapAsync.apply(this, rest);
  };
  const { destroy } = GPUDevice.prototype;
  GPUDevice.prototype.destroy = function (this: GPUDevice) {
    counts.destroyed++;
    return destroy.call(this);
  };
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (this: GPUAdapter, ...rest) {
    const device = await requestDevice.apply(this, rest);
    counts.devices++;
    device.lost.then(() => counts.lost++);
    return device;
  };
}

/** Waits for one more look to end, and tells its number, its slices (ms) and the frames that were drawn meanwhile. */
async function nextLook(page: Page): Promise<{ looks: number; slices: number[]; frames: number }> {
  const now = Number((await page.locator("canvas").getAttribute("data-looks")) ?? 0);
  // The look that is on its way began before what was changed last.
  await page.waitForFunction(
    (goal) => Number(document.querySelector("canvas")!.dataset.looks) >= goal,
    now + 2,
    {
      timeout: patience,
    },
  );
  const { looks, slices, frames } = await page
    .locator("canvas")
    .evaluate((canvas) => ({ ...canvas.dataset }));
  return { looks: Number(looks), slices: slices!.split(",").map(Number), frames: Number(frames) };
}

/** The pixels of the canvas as they are on the screen. */
async function pixels(page: Page): Promise<PNG> {
  await page.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
  return PNG.sync.read(await page.locator("canvas").screenshot());
}

/** The share of pixels that differ visibly. */
function difference(a: PNG, b: PNG): number {
  let different = 0;
  for (let i = 0; i < a.data.length; i += 4) {
    if ([0, 1, 2].some((channel) => Math.abs(a.data[i + channel]! - b.data[i + channel]!) > 8)) different++;
  }
  return different / (a.data.length / 4);
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

t.test("codes and attention of the frame just drawn, in the page's own shader", async (t) => {
  const { page, problems } = await openPage(browser, `${site.url}embed.html`, count);
  page.setDefaultTimeout(patience);
  await page.setViewportSize({ width: 720, height: 860 });
  const first = await nextLook(page);
  t.comment(
    `${first.looks} looks, slices: ${first.slices.map((ms) => ms.toFixed(1)).join(" ")}; ${first.frames} frames`,
  );
  await page.screenshot({ path: screenshotPath("embed.png") });

  await page.getByLabel("Pause").check();
  await page.getByLabel("Overlay").selectOption("none");
  await nextLook(page);
  const plain = await pixels(page);
  t.equal(difference(plain, await pixels(page)), 0, "a paused scene without overlay stands still");
  const shown: PNG[] = [];
  for (const [value, name] of [
    ["codes", "the code grid"],
    ["3", "the attention of a word"],
    ["6", "the attention of another word"],
  ] as const) {
    await page.getByLabel("Overlay").selectOption(value);
    await nextLook(page);
    // The screen may be a few frames behind the page.
    const picture = await settled(
      () => pixels(page),
      (seen) => difference(plain, seen) > 0.2 && shown.every((before) => difference(before, seen) > 0.02),
    );
    const changed = difference(plain, picture);
    t.ok(changed > 0.2, `${name} changes ${(100 * changed).toFixed(0)} % of the pixels`);
    shown.push(picture);
    await page.screenshot({ path: screenshotPath(`embed-${value}.png`) });
  }
  t.ok(difference(shown[1]!, shown[2]!) > 0.02, "words look at different places");

  await page.getByLabel("Slice").fill("1000");
  await nextLook(page);
  const whole = await nextLook(page);
  await page.getByLabel("Slice").fill("10");
  for (let i = 0; i < 3; i++) await nextLook(page);
  const cut = await nextLook(page);
  t.comment(
    `whole ${whole.slices}; cut ${cut.slices.map((ms) => ms.toFixed(1)).join(" ")}; half of them take at most ${median(cut.slices)} ms; ${cut.frames} frames`,
  );
  // How long slices last is told, not asserted: that depends on what else the machine does.
  t.ok(cut.slices.length > whole.slices.length, `${cut.slices.length} slices, not ${whole.slices.length}`);
  t.ok(cut.frames >= 2, `${cut.frames} frames while it looked`);

  const counts = await page.evaluate(() => (globalThis as unknown as { counts: Counts }).counts);
  t.same(counts, { reads: 0, destroyed: 0, lost: 0, devices: 1 }, "one device, alive, and nothing read back");
  t.same(problems, [], "no errors or warnings");
  await page.close();
});
