import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
import t from "tap";

const root = fileURLToPath(new URL("../..", import.meta.url));

function caption(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ["dist/caption.js", ...words], { cwd: root }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });
}

/** A yellow disc on white: something like a face. */
function picture(size: number): Buffer {
  const png = new PNG({ width: size, height: size });
  for (let i = 0; i < size * size; i++) {
    const [x, y] = [(i % size) / size - 0.5, Math.floor(i / size) / size - 0.5];
    const inside = x * x + y * y < 0.2;
    png.data.set(inside ? [255, 204, 77, 255] : [255, 255, 255, 255], 4 * i);
  }
  return PNG.sync.write(png);
}

t.test("caption.js with the shipped weights", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "caption-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const [disc, dot, text] = ["disc.png", "dot.png", "text.png"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(disc, picture(200));
  await writeFile(dot, picture(1));
  await writeFile(text, "not a picture");

  const first = await caption(disc, dot, "--json", "--seed", "5", "--steps", "10");
  t.equal(first.code, 0, first.err);
  const lines = first.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.same(
    lines.map(({ file }) => file),
    [disc, dot],
    "one object a picture",
  );
  for (const line of lines) {
    t.same(
      Object.keys(line),
      ["file", "caption", "tokens", "steps", "seed", "guidance", "ms"],
      "the promised fields",
    );
    t.match(line, { steps: 10, seed: 5, guidance: { method: String, scale: Number } }, "what was asked for");
    t.ok(line.tokens.length > 0 && line.tokens.every(Number.isInteger), "token ids");
  }
  const again = await caption(disc, "--json", "--seed", "5", "--steps", "10");
  t.equal(JSON.parse(again.out).caption, lines[0].caption, "the same seed says the same");

  // One step, all words flat: what is drawn is not what is likeliest.
  const lasts = await Promise.all(
    ["argmax", "sample"].map(async (last) => {
      const flat = ["--steps", "1", "--temperature", "5", "--top-r", "1", "--guidance", "none"];
      const { out, err } = await caption(disc, "--json", "--seed", "5", "--last", last, ...flat);
      t.equal(JSON.parse(out).guidance.last, last, err);
      return JSON.parse(out).caption;
    }),
  );
  t.not(lasts[1], lasts[0], "--last decides how the last step chooses");

  const filled = await caption(disc, "--template", "_ face");
  t.match(filled.out, /^\S+ face\n$/, "a template keeps its words and its length");

  const mixed = await caption(disc, text);
  t.equal(mixed.code, 1, "a bad picture among good ones");
  t.match(mixed.out, disc, "the good one is captioned");
  t.match(mixed.err, /error: .*text\.png/, "the bad one is named");
  t.notMatch(mixed.err, /\n\s+at /, "without a stack trace");
});

t.test("odd and hostile pictures are a sentence each; their names cannot command the terminal", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "caption-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const drawing = (body: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 64 64">${body}</svg>`;
  const uses = Array.from({ length: 9 }, (_, i) =>
    i === 0
      ? '<rect id="u0" width="1" height="1"/>'
      : `<g id="u${i}">${`<use xlink:href="#u${i - 1}"/>`.repeat(10)}</g>`,
  );
  const path = `<path stroke="#000" d="M0 0${Array.from({ length: 300_000 }, (_, i) => `L${(i * 7) % 64} ${(i * 13) % 61}`).join("")}"/>`;
  const files = await Promise.all(
    (
      [
        ["moving\u001b[2J.png", "GIF89a"],
        ["drawing.png", drawing("")],
        ["uses.svg", drawing(uses.join(""))],
        ["path.svg", drawing(path)],
        ["good.svg", drawing('<circle cx="32" cy="32" r="30" fill="#fc4"/>')],
      ] as const
    ).map(async ([name, contents]) => {
      await writeFile(join(folder, name), contents);
      return join(folder, name);
    }),
  );
  const plain = await caption(...files);
  t.equal(plain.code, 1);
  t.equal(plain.err.match(/^error: .*, and a PNG, JPEG or WebP image was expected$/gm)?.length, 5, plain.err);
  t.match(plain.err, /moving\\u001b\[2J\.png: the file is a GIF image/);
  t.notMatch(plain.err + plain.out, "\u001b", "no escape sequence");
  const asked = await caption("--svg", ...files);
  t.equal(asked.code, 1);
  t.match(asked.err, /error: .*uses\.svg: the SVG image is damaged or cannot be read \(/);
  t.match(
    asked.err,
    /error: .*path\.svg: the SVG image is damaged or cannot be read \(decoding it takes more than 3 s of computing\)/,
  );
  t.equal(asked.err.match(/^error: /gm)?.length, 3, asked.err);
  t.equal(
    asked.out.match(/good\.svg: /g)?.length,
    1,
    "the good one is captioned, and the one without a name for it",
  );
});

t.test("wrong usage is one sentence and exit code 2", async (t) => {
  for (const [words, pattern] of [
    [[], /missing required argument 'image'/],
    [["x.png", "--guidance", "more"], /Allowed choices are none, cfg, mcs, mcs-printed/],
    [
      ["x.png", "--last", "best"],
      /'--last <way>' argument 'best' is invalid. Allowed choices are argmax, sample/,
    ],
    [["x.png", "--steps", "0"], /whole number from 1/],
    [["x.png", "--steps", "101"], /--steps should be at most 100/],
    [["x.png", "--top-r", "2"], /number from 0 to 1/],
  ] as const) {
    const { code, err } = await caption(...words);
    t.equal(code, 2, words.join(" "));
    t.match(err, pattern, err);
  }
  const { code, err } = await caption("x.png", "--weights", "nowhere");
  t.equal(code, 1, "weights that are not there");
  t.match(err, /nowhere holds no captioner/, err);
  const unknown = await caption("x.png", "--template", "a xyzzy");
  t.equal(unknown.code, 1, "a template for a picture that is not there, with an unknown word");
});
