/** The check of the GPU in the page: a phase in a worker, its rows, and the two files. Nothing of it is loaded before its button is pressed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { sharedBrowser } from "./chromium.js";
import { openPage } from "./launch.js";
import { buildSite, screenshotPath, serve } from "./site.js";

t.setTimeout(900_000);

t.test("the kernels' tab checks the GPU", async (t) => {
  const folder = join(t.testdir(), "site");
  await buildSite(folder);
  const site = await serve(folder, 0);
  t.teardown(() => site.close());
  const offline = readFileSync(join(folder, "service-worker.js"), "utf8");
  t.notMatch(offline, /check\/modules\.json/, "a visit keeps nothing of the check for offline use");
  const { page, problems } = await openPage(await sharedBrowser(), `${site.url}#kernels`);
  const panel = page.locator("#panel-kernels");
  const loaded = () => page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
  const isOfTheCheck = (name: string) => /\/check\/|\/panel-/.test(name);
  await panel.getByRole("button", { name: "Check this GPU" }).waitFor();
  t.same((await loaded()).filter(isOfTheCheck), [], "nothing of the check is loaded with the tab");
  await panel.getByLabel("Phases").selectOption("paper-scale");
  await panel.getByLabel("Minutes").fill("4");
  await panel.getByRole("button", { name: "Check this GPU" }).click();
  const result = page.locator("#gpu-check[data-finished]");
  await result.waitFor({ timeout: 600_000 });
  t.ok((await loaded()).some(isOfTheCheck), "it is loaded now");
  t.match(await result.locator("p").textContent(), /^2 phases passed, 0 failed, 0 skipped\.$/);
  t.equal(await result.locator("tbody tr").count(), 2, "a row for each phase");
  await page.screenshot({ path: screenshotPath("gpu-check.png"), fullPage: true });
  const saving = page.waitForEvent("download");
  await result.getByRole("button", { name: "Save the JSON file" }).click();
  const json = JSON.parse(readFileSync(await (await saving).path(), "utf8"));
  t.equal(json.format, "mc-diffusion-gpu-check-1");
  const [adapter, paper] = json.phases;
  t.ok(adapter.data.limits.maxBufferSize > 0);
  t.equal(paper.data[0].size, "small");
  t.ok(
    paper.data[0].steps.every(({ loss }: { loss: number }) => loss > 0),
    "the step of a small size ran",
  );
  const savingPage = page.waitForEvent("download");
  await result.getByRole("button", { name: "Save the page" }).click();
  t.match(
    readFileSync(await (await savingPage).path(), "utf8"),
    /<h1>GPU check of MC-Diffusion on WebGPU<\/h1>/,
  );
  await panel.getByLabel("Phases").selectOption("bench");
  await panel.getByRole("button", { name: "Check this GPU" }).click();
  await panel.getByRole("button", { name: "End the check" }).click();
  await panel.getByText("The check was ended.").waitFor({ timeout: 60_000 });
  t.same(problems, [], "no complaints of the page");
});
