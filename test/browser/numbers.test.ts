/**
 * A page and Node compute the same: random numbers to the bit, forward results and the first losses of the quick training run
 * within stated tolerances. On SwiftShader on both sides, since that is what Chromium has here.
 */
import tap from "tap";
import { resolveConfig } from "../../dist/config.js";
import { loadDataset } from "../../dist/data/load.js";
import { Gpu } from "../../dist/gpu/gpu.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";
import { sharedGpu } from "../host-node.js";
import { bundle } from "./bundle.js";
import { sharedBrowser } from "./chromium.js";
import { openPage } from "./launch.js";
import { firstLosses, forwardResults, type Numbers, randomBits } from "./numbers.js";
import type { PageNumbers } from "./numbers-page.js";
import { serve } from "./server.js";

declare global {
  /** In a page of `numbers-page.ts` only. */
  var mcdNumbers: PageNumbers;
}

const files = await bundle(["browser/numbers-page.js"]);
const site = await serve({ files });
tap.teardown(() => site.close());
const openNumbers = async () => openPage(await sharedBrowser(), `${site.url}/browser/numbers-page.html`);

async function swiftShader(): Promise<Gpu> {
  const opened = await openNodeDevice({ adapter: "swiftshader" });
  return Gpu.from(opened.device, opened);
}

function differences(a: Numbers, b: Numbers): Record<string, number> {
  return Object.fromEntries(
    Object.entries(a).map(([name, values]) => {
      const other = b[name]!;
      return [
        name,
        values.filter((value, i) => !Object.is(value, other[i])).length +
          Math.abs(values.length - other.length),
      ];
    }),
  );
}

tap.test("random numbers have the same bits in a page and in Node", async (t) => {
  const { page, problems } = await openNumbers();
  const inPage = await page.evaluate(() => globalThis.mcdNumbers.randomBits());
  await page.close();
  const gpu = await sharedGpu();
  const inNode = await randomBits(gpu);
  for (const [name, count] of Object.entries(differences(inNode, inPage)))
    t.equal(count, 0, `${name}: all ${inNode[name]!.length} as on ${gpu.description}`);
  t.same(problems, [], "no complaints of the page");
});

tap.test("networks give the same results in a page and in Node", async (t) => {
  const { page, problems } = await openNumbers();
  const inPage = await page.evaluate(() => globalThis.mcdNumbers.forwardResults());
  await page.close();
  const inNode = await forwardResults(await swiftShader());
  t.comment(`values that differ in some bit: ${JSON.stringify(differences(inNode, inPage))}`);
  t.same(inPage.codes, inNode.codes, "codes of pictures");
  for (const name of ["pictures", "logits"]) {
    const [page, node] = [inPage[name]!, inNode[name]!];
    const size = Math.sqrt(node.reduce((sum, x) => sum + x * x, 0) / node.length);
    const worst = node.reduce((most, x, i) => Math.max(most, Math.abs(x - page[i]!)), 0);
    t.ok(worst <= 1e-5 * size, `${name}: ${node.length} within 1e-5 of their size ${size}, worst ${worst}`);
  }
  t.same(problems, [], "no complaints of the page");
});

tap.test("the first 20 losses of the quick training run, of both stages", async (t) => {
  const steps = 20;
  const dataset = await loadDataset(resolveConfig({ preset: "quick" }).data, true);
  const inNode = await firstLosses(await swiftShader(), nodePlatform, { dataset, codes: null }, steps);
  const { images, ...rest } = dataset;
  files.set("/dataset.json", JSON.stringify(rest));
  files.set("/images.u8", images);
  files.set("/codes.u32", new Uint8Array(inNode.codes.buffer));
  const { page, problems } = await openNumbers();
  const inPage = await page.evaluate((steps) => globalThis.mcdNumbers.firstLosses(steps), steps);
  await page.close();
  for (const stage of ["vqvae", "decoder"] as const) {
    const total = (results: typeof inNode.vqvae) => results.map(({ losses }) => losses.total!);
    const [page, node] = [total(inPage[stage]), total(inNode[stage])];
    const worst = node.reduce((most, x, i) => Math.max(most, Math.abs(page[i]! / x - 1)), 0);
    t.ok(node.length === steps && node.at(-1)! < node[0]!, `${stage}: from ${node[0]} to ${node.at(-1)}`);
    t.ok(worst <= 1e-4, `${stage}: within 1e-4 of each loss, worst ${worst}`);
  }
  t.same(problems, [], "no complaints of the page");
});
