/** Parts of the page's Caption tab that need no browser: permanent links, counts of samples, the program to copy, the remark. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import t from "tap";

type Sampling = {
  steps: number;
  temperature: number;
  seed: number;
  guidance: { method: string; scale: number };
};
type Given = string | number | null;
interface Parts {
  linkTo(
    picture: { file: string | null; codes: Uint32Array | null },
    sampling: Sampling,
    words: Given[] | null,
  ): string;
  readLink(hash: string): {
    file: string | null;
    codes: Uint32Array | null;
    sampling: Record<string, unknown>;
    words: Given[] | null;
  } | null;
  counted(texts: string[]): { text: string; count: number }[];
  codeText(weights: string, sampling: Sampling, words: Given[] | null): string;
  distance(ids: Uint32Array): number;
}

const source = (name: string) => fileURLToPath(new URL(`../../web/src/caption/${name}.ts`, import.meta.url));
const { outputFiles } = await build({
  stdin: {
    contents: ["link", "samples", "code-text", "drawings-only"]
      .map((name) => `export * from ${JSON.stringify(source(name))};`)
      .join("\n"),
    resolveDir: fileURLToPath(new URL(".", import.meta.url)),
  },
  bundle: true,
  format: "esm",
  platform: "browser",
  write: false,
});
const { linkTo, readLink, counted, codeText, distance } = (await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString("base64")}`
)) as Parts;

const sampling: Sampling = {
  steps: 7,
  temperature: 0.5,
  seed: 4294967295,
  guidance: { method: "mcs", scale: -1.25 },
};
const named = { steps: 7, temperature: 0.5, seed: 4294967295, method: "mcs", scale: -1.25 };

t.test("a link says what it was made from", async (t) => {
  const words = ["a", null, 12, "[END]", "naïve"];
  const link = readLink(linkTo({ file: "noto-1F407.png", codes: Uint32Array.of(1) }, sampling, words));
  t.same(link, { file: "noto-1F407.png", codes: null, sampling: named, words });
  const codes = Uint32Array.of(0, 63, 64, 511, 4095);
  const other = readLink(linkTo({ file: null, codes }, sampling, null));
  t.same(other, { file: null, codes, sampling: named, words: null }, "another picture by its codes");
});

t.test("what a link says wrongly is left out", async (t) => {
  t.equal(readLink("#caption"), null, "nothing but a tab");
  t.same(readLink("#caption?seed=x&steps=&guidance=magic&codes=A&words=&scale=Infinity"), {
    file: null,
    codes: null,
    sampling: {},
    words: null,
  });
});

t.test("captions are counted, the frequent ones first", async (t) => {
  t.same(counted(["b", "a", "b", "c", "b", "a"]), [
    { text: "b", count: 3 },
    { text: "a", count: 2 },
    { text: "c", count: 1 },
  ]);
});

t.test("the program to copy is one", async (t) => {
  const code = codeText("https://example.org/weights", sampling, ["a", null, 12]);
  const body = code.replace(/^import .*$/m, "");
  const run = new Function("Captioner", "document", "console", `return (async () => {${body}})()`);
  const asked: unknown[] = [];
  const captioner = {
    denoise(...given: unknown[]) {
      asked.push(...given);
      return [];
    },
  };
  const Captioner = {
    async load(address: string) {
      asked.push(address);
      return captioner;
    },
  };
  await run(Captioner, { querySelector: (name: string) => name }, console);
  t.same(asked, [
    "https://example.org/weights",
    "img",
    {
      steps: 7,
      temperature: 0.5,
      seed: 4294967295,
      guidance: { method: "mcs", scale: -1.25 },
      words: ["a", null, 12],
    },
  ]);
});

t.test("the distance of codes from the training pictures'", async (t) => {
  const measured = JSON.parse(
    readFileSync(new URL("../../web/measured/codes.json", import.meta.url), "utf8"),
  ) as {
    threshold: number;
    measured: Record<string, { pictures: number; above: number }>;
    photos: { pictures: number; above: number };
  };
  const recorded = JSON.parse(
    readFileSync(new URL("../../web/measured/recorded-run.json", import.meta.url), "utf8"),
  ) as { codes: number[] };
  t.ok(distance(Uint32Array.from(recorded.codes)) < measured.threshold, "an emoji is near");
  const inside = recorded.codes.map((id, i) => (i > 8 && i < 15 ? (id + 1) % 512 : id));
  t.equal(
    distance(Uint32Array.from(inside)),
    distance(Uint32Array.from(recorded.codes)),
    "codes inside do not count",
  );
  const turned = recorded.codes.map((_, i) => recorded.codes[(i + 28) % 64]!);
  t.ok(
    distance(Uint32Array.from(turned)) > distance(Uint32Array.from(recorded.codes)),
    "what stands in the middle is unusual at the edge",
  );
  const { validation } = measured.measured;
  t.ok(
    validation!.above <= 0.01 * validation!.pictures,
    "at most 1 % of the validation pictures are beyond it",
  );
  t.ok(measured.photos.above > 0.9 * measured.photos.pictures, "and nearly all photographs");
});
