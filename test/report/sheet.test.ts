import sharp from "sharp";
import t from "tap";
import type { RgbImage } from "../../dist/platform/platform.js";
import { captionSheet, gridSheet, reconstructionSheet } from "../../dist/report/sheet.js";
import { base64, escapeXml, wrapText } from "../../dist/report/text.js";

export const codec = {
  async encodePng({ width, height, data }: RgbImage): Promise<Uint8Array> {
    return new Uint8Array(
      await sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toBuffer(),
    );
  },
};

function flat(width: number, height: number, colour: [number, number, number]): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => colour[i % 3]!);
  return { width, height, data };
}

function pixel(image: RgbImage, x: number, y: number): number[] {
  return [...image.data.subarray((y * image.width + x) * 3, (y * image.width + x) * 3 + 3)];
}

const RED: [number, number, number] = [255, 0, 0];
const GREEN: [number, number, number] = [0, 255, 0];
const BLUE: [number, number, number] = [0, 0, 255];

t.test("a grid puts every picture in its cell", async (t) => {
  const sheet = gridSheet([flat(3, 2, RED), flat(1, 1, GREEN), flat(3, 2, BLUE)], { columns: 2, gap: 1 });
  t.same([sheet.width, sheet.height], [9, 7]);
  t.equal(sheet.data.length, 9 * 7 * 3);
  t.same([pixel(sheet, 1, 1), pixel(sheet, 3, 2)], [RED, RED]);
  t.same(
    [pixel(sheet, 5, 1), pixel(sheet, 6, 1)],
    [GREEN, [255, 255, 255]],
    "a smaller picture sits top left",
  );
  t.same(
    [pixel(sheet, 1, 4), pixel(sheet, 5, 4), pixel(sheet, 0, 0)],
    [BLUE, [255, 255, 255], [255, 255, 255]],
  );
  t.same(
    gridSheet([], { columns: 4 }),
    { width: 4, height: 2, data: new Uint8Array(24).fill(255) },
    "no pictures",
  );
});

t.test("originals stand above their reconstructions, also in an unfilled last row", async (t) => {
  const originals = [RED, RED, RED].map((colour) => flat(1, 1, colour));
  const reconstructions = [GREEN, GREEN, BLUE].map((colour) => flat(1, 1, colour));
  const sheet = reconstructionSheet(originals, reconstructions, { columns: 2, gap: 0 });
  t.same([sheet.width, sheet.height], [2, 4]);
  const white = [255, 255, 255];
  t.same(
    [0, 1, 2, 3].map((y) => [pixel(sheet, 0, y), pixel(sheet, 1, y)]),
    [
      [RED, RED],
      [GREEN, GREEN],
      [RED, white],
      [BLUE, white],
    ],
  );
  t.throws(() => reconstructionSheet(originals, [], { columns: 2 }), /3 originals but 0/);
});

t.test("a caption sheet is an SVG that rasterises to its own size, with the pictures in it", async (t) => {
  const items = [
    { image: flat(8, 8, RED), caption: "a red thing & <more>", references: ["red", "never shown"] },
    { image: flat(8, 8, BLUE), caption: "", references: [] },
    { image: flat(8, 8, GREEN), caption: "a very long caption that needs some lines to be shown in full" },
  ];
  const svg = await captionSheet(codec, items, { columns: 2, imageSize: 64, title: "Three & more" });
  t.match(svg, "a red thing");
  t.match(svg, "&#60;more&#62;");
  t.match(svg, "(empty");
  t.notMatch(svg, "never shown");
  const { data, info } = await sharp(Buffer.from(svg))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number);
  t.same([info.width, info.height], [width, height]);
  const colours = new Set<string>();
  for (let i = 0; i < data.length; i += 3) colours.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
  for (const colour of [RED, GREEN, BLUE]) t.ok(colours.has(colour.join(",")), `${colour} is in the picture`);
});

t.test(
  "text breaks at spaces, inside a word only when it must, and ends in an ellipsis when too long",
  async (t) => {
    t.same(wrapText("one two three", 1000, 13, 4), ["one two three"]);
    t.same(wrapText("one two three", 60, 13, 4), ["one two", "three"]);
    t.same(wrapText("", 60, 13, 4), []);
    const pieces = wrapText("x aaaaaaaaaaaaaaaaaaaa y", 60, 13, 9);
    t.equal(pieces.join("").replaceAll(" ", ""), "xaaaaaaaaaaaaaaaaaaaay", "nothing is lost");
    t.ok(pieces.length > 2);
    const cut = wrapText("one two three four five six seven", 60, 13, 2);
    t.equal(cut.length, 2);
    t.match(cut[1], /…$/);
    t.same(wrapText("ab", 0, 13, 9), ["a", "b"], "a width of nothing still ends");
    t.same(wrapText("😀😀", 13, 13, 9), ["😀", "😀"], "a pair of surrogates stays together");
  },
);

t.test("escaping and base64", async (t) => {
  t.equal(escapeXml(`<a href="x">'&\u0000\u0008\ud800é😀`), "&#60;a href=&#34;x&#34;&#62;&#39;&#38;é😀");
  const bytes = Uint8Array.from({ length: 100_001 }, (_, i) => (i * 7) & 255);
  t.equal(base64(bytes), Buffer.from(bytes).toString("base64"));
});
