/** `node dist/samples.js`. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PNG } from "pngjs";
import t from "tap";
import { runCommand } from "./run.js";

t.setTimeout(600_000);

const folder = mkdtempSync(join(tmpdir(), "samples-"));
t.teardown(() => rmSync(folder, { recursive: true }));

t.test("a sheet of scenes with boxes and coloured words", async (t) => {
  const out = join(folder, "sheet.svg");
  const args = [
    "--split",
    "pairs",
    "--count",
    "3",
    "--first",
    "2",
    "--captions",
    "4",
    "--out",
    out,
    "--quiet",
  ];
  const { code, stdout, stderr } = await runCommand("samples", args);
  t.same([code, stdout, stderr], [0, `${out}: 3 pictures of split pairs, scenes\n`, ""]);
  const svg = readFileSync(out, "utf8");
  t.match(svg, /pairs\/000002.*pairs\/000003.*pairs\/000004/s);
  t.equal(svg.match(/<image /g)?.length, 3);
  t.equal(svg.match(/<rect [^>]*fill="none"/g)?.length, 6, "two things in each");
  t.match(svg, /<tspan fill="#d81b60" font-weight="600">/);
  const png = join(folder, "sheet.png");
  await runCommand("samples", [...args.slice(0, -3), "--out", png, "--quiet"]);
  const { width, height } = PNG.sync.read(readFileSync(png));
  t.match(svg, `width="${width}" height="${height}"`, "a PNG of the same size");
});

t.test("what is wrong is said in one sentence", async (t) => {
  for (const [args, message] of [
    [["--out", "sheet.jpg"], /--out sheet\.jpg should end with \.png or \.svg/],
    [
      ["--split", "nothing", "--out", join(folder, "a.svg"), "--quiet"],
      /no pictures there; the splits of scenes are train \(/,
    ],
    [["--count", "0"], /whole number from 1 to 500/],
  ] as const) {
    const { code, stderr } = await runCommand("samples", [...args]);
    t.equal(code, 2);
    t.match(stderr, message);
  }
});
