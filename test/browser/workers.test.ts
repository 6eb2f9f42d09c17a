/** The tabs Train and Kernels of the demo page in headless Chromium: their workers, and weights that go both ways. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import t, { type Test } from "tap";
import { Captioner } from "../../dist/captioner/captioner.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { nodePlatform, shippedWeights } from "../../dist/platform/node.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";
import { writePictures } from "../commands/pictures.js";
import { whole } from "../whole.js";
import { sharedBrowser } from "./chromium.js";
import { launch, openPage, type TestBrowser } from "./launch.js";
import { atRest, endsWell } from "./settled.js";
import { buildSite, screenshotPath, serve } from "./site.js";

const folder = join(t.testdir(), "site");
await buildSite(folder);
const site = await serve(folder, 0);
t.teardown(() => site.close());

/** On a software adapter beside other work kernels compile for a while. */
const patience = 400_000;

const settings = [
  "vqvae.channels=8",
  "vqvae.codes=16",
  "vqvae.codeDim=8",
  "vqvae.steps=4",
  "vqvae.batch=4",
  "decoder.dim=16",
  "decoder.heads=2",
  "decoder.blocks=1",
  "decoder.steps=120",
  "decoder.batch=4",
  "decoder.timesteps=10",
  "data.augment=0",
  "data.subset=32",
  "sampling.steps=2",
  "log.evaluateEvery=0",
];

async function open(tab: "train" | "kernels", browser?: TestBrowser) {
  const opened = await openPage(browser ?? (await sharedBrowser()), `${site.url}#${tab}`);
  opened.page.setDefaultTimeout(patience);
  await opened.page.locator(`#panel-${tab} button`).first().waitFor();
  return opened;
}

const reach = (page: Page, tab: string, state: string) =>
  page.locator(`#panel-${tab}[data-state="${state}"]`).waitFor();

/** Asserts that a message of a source is there when the page is at rest. */
async function stays(t: Test, page: Page, source: string, pattern: RegExp): Promise<void> {
  const message = page.locator(`[data-source="${source}"]`);
  await message.filter({ hasText: pattern }).waitFor();
  await atRest(page);
  t.match((await message.allInnerTexts()).join(), pattern, `${source}: the message comes and stays`);
}

/** Asserts that a source has no message when the page is at rest. */
async function isOver(t: Test, page: Page, source: string, when: string): Promise<void> {
  await atRest(page);
  t.equal(await page.locator(`[data-source="${source}"]`).count(), 0, `${source}: no message ${when}`);
}

/** Removes the stored run, of which there is one, and agrees when asked. */
async function removeRun(page: Page): Promise<void> {
  await page.getByRole("button", { name: /^Remove the run/ }).click();
  await press(page, "Remove it");
  await reach(page, "train", "none");
}

const press = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true }).click();

t.test("a family of kernels, cancelled and measured", async (t) => {
  const { page, problems } = await open("kernels");
  const panel = page.locator("#panel-kernels");
  await panel.locator("select").first().selectOption("softmax");
  await panel.locator("input[type=text]").fill("64");
  await press(page, "Measure");
  await panel.getByText("Round").waitFor();
  await press(page, "Cancel");
  await reach(page, "kernels", "idle");
  t.equal(await panel.locator("[role=status]").textContent(), "Cancelled.");
  await panel.locator("input[type=checkbox]").check();
  await press(page, "Measure");
  await panel.getByText("Measured.").waitFor();
  const rows = await panel.locator("tbody tr").allTextContents();
  t.equal(rows.length, 2, "forward, and with gradients");
  for (const row of rows) t.match(row, /softmax 64×64/);
  t.notMatch(rows.join(), /WRONG/, "and the results are right");
  t.equal(await panel.locator("figure svg circle").count(), 2, "both below the roofline");
  await panel.locator("input[type=text]").fill("huge");
  await press(page, "Measure");
  await stays(t, page, "bench", /^Sizes should be small/);
  await press(page, "Copy as JSON");
  await stays(t, page, "clipboard", /^The browser does not let this page use the clipboard\./);
  await stays(t, page, "bench", /^Sizes should be small/);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await press(page, "Copy as JSON");
  await panel.getByText("Copied.").waitFor();
  await isOver(t, page, "clipboard", "once it takes the report");
  const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText())) as {
    adapter: string;
    cases: { name: string }[];
  };
  t.ok(copied.adapter, "it then holds the report, with its adapter");
  t.same(
    copied.cases.map(({ name }) => rows.some((row) => row.includes(name))),
    [true, true],
    "and the cases that the table shows",
  );
  await stays(t, page, "bench", /^Sizes should be small/);
  await panel.locator("input[type=text]").fill("64");
  await press(page, "Measure");
  await panel.getByText("Round").waitFor();
  await press(page, "Cancel");
  await reach(page, "kernels", "idle");
  await isOver(t, page, "bench", "once sizes are right");
  await endsWell(t, page, problems);
});

t.test("training: paused, reloaded, resumed, used here and in Node", async (t) => {
  const { page, problems } = await open("train");
  const phase = page.locator("#train-phase");
  const numbers = page.locator("#train-numbers");
  await page.getByText("More settings").click();
  await page.locator("#train-settings").fill("decoder.stepz=1");
  await press(page, "Start");
  await stays(t, page, "training", /decoder\.stepz/);
  t.equal(await page.locator("#panel-train").getAttribute("data-state"), "none", "nothing runs");
  await page.locator("#tab-kernels").click();
  await page.locator("#tab-train").click();
  await stays(t, page, "training", /decoder\.stepz/);

  await page.locator("#train-settings").fill(settings.join("\n"));
  await press(page, "Start");
  await page.locator('#train-numbers[data-stage="decoder"]').waitFor();
  t.equal(await page.locator("[data-source=training]").count(), 0, "the message is gone while it trains");
  await press(page, "Pause");
  await reach(page, "train", "kept");
  const memory = async () =>
    [await phase.getAttribute("data-before"), await phase.getAttribute("data-after")].map(Number);
  const [before, after] = await memory();
  t.ok(before! > 0);
  t.equal(after, before, "a pause gives all memory back");
  const paused = Number(await numbers.getAttribute("data-step"));
  t.ok(paused >= 1 && paused < 120, `paused at step ${paused}`);

  await page.reload();
  await reach(page, "train", "kept");
  t.match(
    await phase.textContent(),
    new RegExp(`decoder step ${paused} of 120\\.`),
    "the run is still there",
  );
  await press(page, "Resume");
  await reach(page, "train", "finished");
  t.equal(Number(await numbers.getAttribute("data-step")), 120, "it goes on to the end");
  const [again, end] = await memory();
  t.equal(end, again, "the end gives all memory back");
  const log = await page.evaluate(async () => {
    const runs = await (await navigator.storage.getDirectory()).getDirectoryHandle("training");
    const { value: folder } = await runs.values().next();
    if (!(folder instanceof FileSystemDirectoryHandle)) throw new Error("there is no run");
    return (await (await folder.getFileHandle("log.jsonl")).getFile()).text();
  });
  const steps = log.trimEnd().split("\n");
  const logged = steps.map((line) => (JSON.parse(line) as { stage: string; step: number }).step);
  t.equal(
    new Set(logged.slice(4)).size,
    120,
    "every step of the decoder is in the log, after the four of the VQ-VAE",
  );
  t.equal(await page.getByRole("button", { name: "Resume" }).isVisible(), false, "nothing is left to resume");
  const curves = page.locator("#train-charts svg");
  t.ok((await curves.count()) >= 2, "curves of both stages");
  t.match(await curves.first().innerHTML(), /<path d="M[\d.]+ [\d.]+L/, "with points");

  const weights = join(t.testdir(), "weights");
  mkdirSync(weights);
  for (const name of ["config.json", "model.safetensors"]) {
    const coming = page.waitForEvent("download");
    await page.locator(`#train-files a[download="${name}"]`).click();
    await (await coming).saveAs(join(weights, name));
  }
  const { device } = await openNodeDevice();
  const gpu = Gpu.from(device);
  const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, weights);
  const [caption] = await captioner.captionAll(new Uint8Array(32 * 32 * 3).fill(128));
  t.type(caption?.text, "string", "what was trained here captions in Node");
  captioner.dispose();
  gpu.dispose();
  device.destroy();

  await press(page, "Use in the Caption tab");
  const facts = page.locator("#facts");
  await facts.filter({ hasText: "the weights trained here (decoder step 120)" }).waitFor();
  await page.locator("#panel-caption #caption-weights").filter({ hasText: "decoder step 120" }).waitFor();
  t.ok(true, "the Caption tab opens, and names them");
  const files = ["config.json", "model.safetensors"].map((name) => join(shippedWeights(), name));
  await page.locator("#train-weights").setInputFiles(files);
  await facts.filter({ hasText: "the weights from your files" }).waitFor();
  await page.locator("#tab-train").click();
  await removeRun(page);
  await endsWell(t, page, problems);
});

/** Drops a file or folder of this machine onto an element, as the browser's own window system would. */
async function drop(page: Page, selector: string, path: string): Promise<void> {
  const element = page.locator(selector).first();
  await element.scrollIntoViewIfNeeded();
  const box = (await element.boundingBox())!;
  const session = await page.context().newCDPSession(page);
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", {
      type,
      x: box.x + box.width / 2,
      y: box.y + 20,
      data: { items: [], files: [path], dragOperationsMask: 1 },
    });
  }
  await session.detach();
}

t.test("training on a folder that was dropped", async (t) => {
  const { page, problems } = await open("train");
  const folder = join(t.testdir(), "shapes");
  const names = await writePictures(folder);
  const panel = page.locator("#panel-train");
  await drop(page, "#panel-train fieldset", join(folder, names[0]!));
  await stays(t, page, "form", /^That is not a folder/);
  await page.getByLabel("a folder of your own").check();
  await press(page, "Start");
  await stays(t, page, "form", /^Choose a folder of captioned pictures first\./);
  await drop(page, "#panel-train fieldset", folder);
  await panel.getByText(`shapes: ${names.length + 1} files`).waitFor();
  await isOver(t, page, "form", "once a folder is chosen");
  await drop(page, "#panel-train fieldset", join(folder, names[0]!));
  await stays(t, page, "form", /^That is not a folder/);
  t.equal(
    await panel.getByText(`shapes: ${names.length + 1} files`).count(),
    1,
    "and the folder of before stays chosen",
  );
  await drop(page, "#panel-train fieldset", folder);
  await isOver(t, page, "form", "once it is dropped again");
  t.ok(await page.getByLabel("a folder of your own").isChecked(), "it is what will be trained on");
  await page.getByText("More settings").click();
  await page.locator("#train-settings").fill([...settings, "decoder.steps=4"].join("\n"));
  await press(page, "Start");
  await panel.getByText(/^shapes: 20 training pictures, \d+ words/).waitFor();
  await reach(page, "train", "finished");
  t.equal(await page.locator("#train-numbers").getAttribute("data-step"), "4", "to its end");
  await removeRun(page);
  await endsWell(t, page, problems);
});

t.test("the GPU process dies during the training", async (t) => {
  const browser = await launch();
  t.teardown(() => browser.close());
  const { page } = await open("train", browser);
  await page.getByText("More settings").click();
  const long = ["decoder.steps=400", "log.checkpointEvery=5"];
  await page.locator("#train-settings").fill([...settings, ...long].join("\n"));
  await press(page, "Start");
  const numbers = page.locator('#train-numbers[data-stage="decoder"]');
  const step = async () => Number(await numbers.getAttribute("data-step"));
  await numbers.waitFor();
  while ((await step()) < 6) await page.waitForTimeout(50);
  const reached = await step();
  const session = await browser.browser.newBrowserCDPSession();
  // Its answer does not come: the process is gone.
  session.send("Browser.crashGpuProcess").catch(() => {});
  const note = page.locator("#train-notes li");
  await note.first().waitFor();
  t.match(
    await note.allInnerTexts(),
    [
      /^The browser lost the GPU \(.+\); it is being reopened, and the training continues from its last checkpoint\.$/,
    ],
    "it says what happened",
  );
  while ((await step()) <= reached) await page.waitForTimeout(50);
  await press(page, "Pause");
  await reach(page, "train", "kept");
  await atRest(page);
  t.same(
    await page.locator(".error").allInnerTexts(),
    [],
    `it goes on by itself, beyond step ${reached}, without a message`,
  );
  const phase = page.locator("#train-phase");
  t.equal(
    await phase.getAttribute("data-after"),
    await phase.getAttribute("data-before"),
    "and gives all memory back",
  );
});

t.test(
  "a worker that dies is replaced; evaluating is a phase; runs are kept, compared and not lost",
  { skip: !whole },
  async (t) => {
    const { page, problems } = await open("train");
    await page.route("**/train-worker.js", async (route) => {
      const response = await route.fetch();
      const die = 'new BroadcastChannel("die").onmessage = () => close();\n';
      await route.fulfill({ response, body: die + (await response.text()) });
    });
    await page.evaluate(() => {
      const seen: string[] = [];
      Object.assign(globalThis, { seen });
      const look = () => seen.push(document.querySelector("#train-phase")!.textContent!);
      new MutationObserver(look).observe(document.querySelector("#train-phase")!, {
        childList: true,
        subtree: true,
      });
    });
    await page.getByText("More settings").click();
    const own = ["decoder.steps=300", "log.checkpointEvery=5", "log.evaluateEvery=40"];
    await page.locator("#train-settings").fill([...settings, ...own].join("\n"));
    await press(page, "Start");
    await page.locator('.sample[data-stage="decoder"]').waitFor();
    const numbers = page.locator('#train-numbers[data-stage="decoder"]');
    const step = async () => Number(await numbers.getAttribute("data-step"));
    while ((await step()) < 6) await page.waitForTimeout(50);
    t.ok((await step()) < 300, "a sample comes long before the end");
    await page.evaluate(() => new BroadcastChannel("die").postMessage(""));
    const note = page.locator("#train-notes li").filter({ hasText: "was replaced" });
    await note.waitFor();
    const reached = await step();
    while ((await step()) <= reached) await page.waitForTimeout(50);
    await reach(page, "train", "finished");
    t.equal(await step(), 300, "the run goes on to its end");
    const seen = await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
    t.ok(
      seen.some((text) => text.startsWith("Evaluating on held-out pictures")),
      "evaluating is named",
    );
    t.match(await numbers.textContent(), /last evaluation \d/, "with its time");

    await page.locator("#train-settings").fill([...settings, "decoder.steps=3"].join("\n"));
    await press(page, "Start another run");
    await reach(page, "train", "finished");
    t.equal(await page.locator("#train-runs tbody tr").count(), 2, "the earlier run is still there");
    await page.locator("#train-runs input:enabled").check();
    const legend = await page.locator("#train-charts svg").first().locator("text").allTextContents();
    t.ok(legend.includes("this run"), "and compared in one chart");
    t.equal(await page.locator("#train-charts svg").first().locator('path[stroke-width="3"]').count(), 2);
    await page
      .getByRole("button", { name: /^Remove the run/ })
      .last()
      .click();
    await press(page, "Keep it");
    t.equal(await page.locator("#train-runs tbody tr").count(), 2, "nothing is removed at one click");
    await page.screenshot({ path: screenshotPath("train-compared.png"), fullPage: true });
    await endsWell(t, page, problems);
  },
);

t.test("training: no worker, no storage, nothing to hand over", async (t) => {
  const { page } = await open("train");
  await page.getByText("More settings").click();
  await page.locator("#train-settings").fill(settings.join("\n"));
  await page.route("**/train-worker.js", (route) => route.fulfill({ status: 404, body: "" }));
  await press(page, "Start");
  const none = /^The worker did not start\./;
  await stays(t, page, "training", none);
  t.equal(await page.locator("#panel-train").getAttribute("data-state"), "none", "nothing runs");
  await page.unroute("**/train-worker.js");

  // A worker whose file system is full, then full but for the settings, until it hears that there is space.
  const full = `const { createWritable } = FileSystemFileHandle.prototype;
    let room = /^$/;
    FileSystemFileHandle.prototype.createWritable = async function (...given) {
      if (room.test(this.name)) return createWritable.apply(this, given);
      throw new DOMException("full", "QuotaExceededError");
    };
    new BroadcastChannel("space").onmessage = ({ data }) => { room = new RegExp(data); };\n`;
  await page.route("**/train-worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: full + (await response.text()) });
  });
  const makeRoom = (files: string) =>
    page.evaluate((files) => new BroadcastChannel("space").postMessage(files), files);
  await press(page, "Start");
  const noSpace = /^Cannot write training\/.+: the browser grants this site no more storage\./;
  await stays(t, page, "training", noSpace);
  await page.locator("#tab-kernels").click();
  await page.locator("#tab-train").click();
  await stays(t, page, "training", noSpace);
  await page.screenshot({ path: screenshotPath("message-storage.png"), fullPage: true });
  await makeRoom("^config");
  await press(page, "Start");
  await stays(
    t,
    page,
    "training",
    /^Cannot write training\/.+\/data\/.+: the browser grants this site no more/,
  );
  await reach(page, "train", "none");
  t.equal(
    await page.getByRole("button", { name: "Resume" }).isVisible(),
    false,
    "a run without its pictures was not begun: there is nothing to resume",
  );
  await makeRoom("");
  await press(page, /^Start/);
  await page.locator("#train-numbers[data-step]").waitFor();
  t.equal(await page.locator("[data-source=training]").count(), 0, "the message is gone while it trains");
  await press(page, "Pause");
  await reach(page, "train", "kept");

  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    // Runs that were not begun have none.
    for await (const run of (await root.getDirectoryHandle("training")).values())
      if (run instanceof FileSystemDirectoryHandle)
        await run.removeEntry("weights", { recursive: true }).catch(() => {});
  });
  await press(page, "Export as files");
  const missing = /^Cannot read training\/run-[-\dT]+\/weights\/config\.json: it does not exist\./;
  await stays(t, page, "export", missing);
  t.equal(await page.locator("#panel-train").getAttribute("data-state"), "kept", "the run is still kept");
  await press(page, "Resume");
  await reach(page, "train", "finished");
  await isOver(t, page, "export", "once there is a captioner");
  await page.close();
});

t.test("a kept run that cannot be read", async (t) => {
  const { page } = await open("train");
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const training = await root.getDirectoryHandle("training", { create: true });
    const run = await training.getDirectoryHandle("run-2026-01-01T00-00-00", { create: true });
    const data = await run.getDirectoryHandle("data", { create: true });
    await data.getFileHandle("dataset.json", { create: true });
  });
  await page.reload();
  const pattern = /^Runs cannot be stored or read here: .*training/;
  await stays(t, page, "storage", pattern);
  await page.screenshot({ path: screenshotPath("message-kept-run.png"), fullPage: true });
  await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    await root.removeEntry("training", { recursive: true });
  });
  await page.getByText("More settings").click();
  await page.locator("#train-settings").fill("decoder.stepz=1");
  await press(page, "Start");
  await stays(t, page, "training", /decoder\.stepz/);
  await isOver(t, page, "storage", "once there is none");
  await page.close();
});
