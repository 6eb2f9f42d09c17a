/**
 * A page and Node compute the same: random numbers to the bit on whatever adapter Node has, results of networks within a stated
 * tolerance on SwiftShader, which is what Chromium has here.
 */
import tap from "tap";
import { sharedGpu } from "../host-node.js";
import { bundle } from "./bundle.js";
import { sharedBrowser } from "./chromium.js";
import { openPage } from "./launch.js";
import { forwardResults, type Numbers, randomBits } from "./numbers.js";
import { serve } from "./server.js";
import { swiftShader } from "./swiftshader.js";

const site = await serve({ files: await bundle(["browser/numbers-page.js"]) });
tap.teardown(() => site.close());
const openNumbers = async () => openPage(await sharedBrowser(), `${site.url}/browser/numbers-page.html`);

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
