/**
 * The first 20 losses of the quick training run in a page and in Node, of both stages, on SwiftShader: the preset as it is, with
 * its 512 pictures. The decoder of the page trains on the codes that Node's VQ-VAE gave the pictures after its 20 steps.
 */
import tap from "tap";
import { loadDataset } from "../../dist/cli/load-dataset.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { readImages } from "../../dist/data/dataset.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { bundle } from "./bundle.js";
import { sharedBrowser } from "./chromium.js";
import { openPage } from "./launch.js";
import { firstLosses } from "./numbers.js";
import { serve } from "./server.js";
import { swiftShader } from "./swiftshader.js";

// The host of Node, which the shared code brings along, sets ten minutes: too few beside other work.
tap.setTimeout(1_100_000);

tap.test("the first 20 losses of the quick training run, of both stages", async (t) => {
  const steps = 20;
  const dataset = await loadDataset(resolveConfig({ preset: "quick" }).data, true);
  const inNode = await firstLosses(await swiftShader(), nodePlatform, { dataset, codes: null }, steps);
  const { images, ...rest } = dataset;
  const site = await serve({
    files: new Map([
      ...(await bundle(["browser/numbers-page.js"])),
      ["/dataset.json", JSON.stringify(rest)],
      ["/images.u8", await readImages(dataset, [...Array(images.count).keys()])],
      ["/codes.u32", new Uint8Array(inNode.codes.buffer)],
    ]),
  });
  t.teardown(() => site.close());
  const { page, problems } = await openPage(await sharedBrowser(), `${site.url}/browser/numbers-page.html`);
  const inPage = await page.evaluate((steps) => globalThis.mcdNumbers.firstLosses(steps), steps);
  await page.close();
  for (const stage of ["vqvae", "decoder"] as const) {
    const total = (results: typeof inNode.vqvae) => results.map(({ losses }) => losses.total!);
    const [page, node] = [total(inPage[stage]), total(inNode[stage])];
    const worst = node.reduce((most, x, i) => Math.max(most, Math.abs(page[i]! / x - 1)), 0);
    t.comment(`${stage}: largest relative difference of ${steps} losses: ${worst}`);
    t.ok(node.length === steps && node.at(-1)! < node[0]!, `${stage}: from ${node[0]} to ${node.at(-1)}`);
    t.equal(page.length, steps, `${stage}: as many in the page`);
    t.ok(worst <= 1e-4, `${stage}: each loss within 1e-4, relative`);
  }
  t.same(problems, [], "no complaints of the page");
});
