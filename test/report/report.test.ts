import t from "tap";
import { resolveConfig } from "../../dist/config/resolve.js";
import type { LogEntry } from "../../dist/io/run-folder.js";
import { renderReport } from "../../dist/report/report.js";

const codec = { encodePng: async () => Uint8Array.of(1, 2, 3) };
const image = { width: 2, height: 2, data: new Uint8Array(12) };

function entry(stage: string, step: number): LogEntry {
  return {
    stage,
    step,
    losses: {
      total: 1 / step,
      kl: step === 2 ? Number.NaN : 0.5,
      ...(stage === "vqvae" ? { used: 300 } : {}),
    },
    learningRate: 1e-4,
    gradNorm: 2,
    ms: 1000,
    perSecond: 100,
    unit: "images",
    bytes: 2 ** 20,
    ...(step === 3 ? { metrics: { ciderD: 1.25 } } : {}),
  };
}

t.test("the page holds everything, loads nothing, and is the same every time", async (t) => {
  const data = {
    title: "Run <1>",
    adapter: "llvmpipe & co",
    config: resolveConfig({ preset: "quick" }),
    log: [1, 2, 3].flatMap((step) => [entry("vqvae", step), entry("decoder", step)]),
    facts: { Parameters: 3_400_000 },
    samples: [
      {
        title: "Samples",
        items: [{ image, caption: "a cat", references: ["cat", "kitty", "tom", "pet", "<animal>"] }],
      },
    ],
    tables: [
      { title: "Scores", note: "One seed.", rowHead: 1, head: ["split", "by"], rows: [["tone", "a & b"]] },
    ],
    sheets: [{ title: "Reconstructions", note: "Above the original.", image }],
  };
  const html = await renderReport(codec, data);
  for (const text of [
    "<title>Run &#60;1&#62;</title>",
    "llvmpipe &#38; co",
    "Parameters",
    "Stage vqvae",
    "Stage decoder",
    ">Total loss<",
    ">Parts of the loss<",
    ">Held out: CIDEr-D<",
    "1.25",
    ">Codes used in a batch<",
    "Codes used in a batch, last 3 steps",
    "<dt>kl loss, last 3 steps</dt>",
    "<dd>3,400,000</dd>",
    "Gradient norm",
    "Learning rate",
    "Throughput (images/s)",
    "1 MiB",
    "a cat",
    "kitty",
    '<span title="pet\n&#60;animal&#62;">and 2 more</span>',
    '<h2>Scores</h2>\n<p>One seed.</p>\n<div class="wide"',
    '<tr><td>tone</td><th scope="row">a &#38; b</th></tr>',
    "Reconstructions",
    "data:image/png;base64,AQID",
    "<th>learningRate</th>",
    "prefers-color-scheme: dark",
    'name="viewport"',
  ]) {
    t.ok(html.includes(text), text);
  }
  t.notMatch(html, /NaN|undefined/);
  const addresses = [...html.matchAll(/(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)/g)].map(
    (match) => match[1]!,
  );
  t.ok(
    addresses.length > 0 && addresses.every((address) => address.startsWith("data:")),
    "no outside address",
  );
  t.equal(await renderReport(codec, data), html);
});

t.test("a run without a step yet, or with unusable numbers, still has a page", async (t) => {
  const base = { title: "r", adapter: "a", config: {} };
  t.match(await renderReport(codec, { ...base, log: [] }), /Configuration/);
  const broken = {
    ...entry("vqvae", 1),
    losses: { total: Number.NaN },
    gradNorm: Number.NaN,
    perSecond: Number.NaN,
  };
  t.match(await renderReport(codec, { ...base, log: [broken] }), />no data</);
});
