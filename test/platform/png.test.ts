/** PNG without sharp: every kind of pixels that PNG has, against the samples that were written and against sharp. */

import { deflateSync } from "node:zlib";
import sharp from "sharp";
import t from "tap";
import { crc32 } from "../../dist/platform/crc32.js";
import { UserError } from "../../dist/platform/errors.js";
import { decodePng, encodeRgbPng } from "../../dist/platform/png.js";
import { decodePngPicture } from "../../dist/platform/png-pictures.js";
import { scaled } from "../../dist/platform/scaled.js";
import { decodeBySharp, type WantedPixels } from "../../dist/platform/sharp-pictures.js";

const SAMPLES = new Map([
  [0, 1],
  [2, 3],
  [3, 1],
  [4, 2],
  [6, 4],
]);
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

interface Kind {
  type: number;
  depth: number;
  interlaced?: boolean;
  palette?: number[];
  transparency?: number[];
}

function chunk(name: string, content: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(name), content]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

/** A file of the samples (pixel by pixel), with each filter by turns. Written from the specification. */
function file(width: number, height: number, samples: readonly number[], kind: Kind): Buffer {
  const { type, depth, interlaced = false, palette, transparency } = kind;
  const each = SAMPLES.get(type)!;
  const distance = Math.max(1, (each * depth) >> 3);
  const rows: Buffer[] = [];
  for (const [left, top, right, down] of interlaced ? ADAM7 : ([[0, 0, 1, 1]] as const)) {
    if (left >= width || top >= height) continue;
    let above: number[] = [];
    for (let y = top; y < height; y += down) {
      let bits = "";
      for (let x = left; x < width; x += right)
        for (let c = 0; c < each; c++)
          bits += samples[(y * width + x) * each + c]!.toString(2).padStart(depth, "0");
      const line = (bits.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, "0"), 2));
      const filter = rows.length % 5;
      const filtered = line.map((value, i) => {
        const [a, b, c] = [line[i - distance] ?? 0, above[i] ?? 0, above[i - distance] ?? 0];
        const p = a + b - c;
        const nearest = [a, b, c].reduce((best, next) =>
          Math.abs(p - next) < Math.abs(p - best) ? next : best,
        );
        return value - [0, a, b, (a + b) >> 1, nearest][filter]!;
      });
      rows.push(Buffer.from([filter, ...filtered]));
      above = line;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, type, 0, 0, Number(interlaced)], 8);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", header),
    ...(palette ? [chunk("PLTE", Buffer.from(palette))] : []),
    ...(transparency ? [chunk("tRNS", Buffer.from(transparency))] : []),
    chunk("IDAT", deflateSync(Buffer.concat(rows))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** RGBA of the samples of a picture without palette or transparent colour. */
function expected(samples: readonly number[], { type, depth }: Kind): number[] {
  const byte = (value: number) => Math.round((value * 255) / (2 ** depth - 1));
  const each = SAMPLES.get(type)!;
  const pixels: number[] = [];
  for (let i = 0; i < samples.length; i += each) {
    const [a, b, c, d] = samples.slice(i, i + each).map(byte);
    if (each === 1) pixels.push(a!, a!, a!, 255);
    else if (each === 2) pixels.push(a!, a!, a!, b!);
    else pixels.push(a!, b!, c!, d ?? 255);
  }
  return pixels;
}

/** Numbers that do not repeat, the same every time. */
function numbers(count: number, most: number): number[] {
  let state = 7;
  return Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return state % (most + 1);
  });
}

const sizes = [
  [1, 1],
  [3, 2],
  [5, 9],
  [17, 13],
] as const;

t.test("every colour type, depth and filter, whole and interlaced", async (t) => {
  const kinds = [
    ...[1, 2, 4, 8, 16].map((depth) => ({ type: 0, depth })),
    ...[2, 4, 6].flatMap((type) => [8, 16].map((depth) => ({ type, depth }))),
  ];
  for (const kind of kinds) {
    for (const interlaced of [false, true]) {
      for (const [width, height] of sizes) {
        const samples = numbers(width * height * SAMPLES.get(kind.type)!, 2 ** kind.depth - 1);
        const decoded = decodePng(file(width, height, samples, { ...kind, interlaced }));
        const name = `type ${kind.type}, ${kind.depth} bits, ${width}×${height}${interlaced ? ", interlaced" : ""}`;
        t.same([...decoded.data], expected(samples, kind), name);
        t.equal(decoded.transparent, kind.type >= 4, "transparency is known");
      }
    }
  }
});

t.test("palettes, with and without transparent entries", async (t) => {
  for (const depth of [1, 2, 4, 8]) {
    const colours = 2 ** depth;
    const palette = numbers(3 * colours, 255);
    const samples = numbers(17 * 5, colours - 1);
    const kind = { type: 3, depth, palette };
    const pixels = (alphas: number[]) =>
      samples.flatMap((index) => [...palette.slice(3 * index, 3 * index + 3), alphas[index] ?? 255]);
    t.same([...decodePng(file(17, 5, samples, kind)).data], pixels([]), `${depth} bits`);
    const transparency = [0, 77];
    const clear = decodePng(file(17, 5, samples, { ...kind, transparency, interlaced: true }));
    t.same([...clear.data], pixels(transparency), `${depth} bits, transparent`);
    t.ok(clear.transparent);
  }
});

t.test("the transparent colour of tRNS, compared in all its bits", async (t) => {
  const grey = decodePng(file(2, 1, [0x1234, 0x1235], { type: 0, depth: 16, transparency: [0x12, 0x34] }));
  t.same([...grey.data], [0, 0, 0, 0, 0x12, 0x12, 0x12, 255], "grey of 16 bits");
  const rgb = file(2, 1, [1, 2, 3, 1, 2, 4], { type: 2, depth: 8, transparency: [0, 1, 0, 2, 0, 3] });
  t.same([...decodePng(rgb).data], [0, 0, 0, 0, 1, 2, 4, 255], "RGB");
});

t.test("what is written is read, here and by sharp", async (t) => {
  const data = Uint8Array.from(numbers(7 * 5 * 3, 255));
  const bytes = encodeRgbPng({ width: 7, height: 5, data });
  const rgb = (rgba: Uint8Array) => [...rgba].filter((_, i) => i % 4 < 3);
  t.same(rgb(decodePng(bytes).data), [...data]);
  t.same([...(await sharp(bytes).raw().toBuffer())], [...data]);
});

t.test("the same pixels as by sharp: orientation, box, transparency", async (t) => {
  const [width, height] = [19, 11];
  const raw = Buffer.from(numbers(width * height * 4, 255));
  const wanted: WantedPixels[] = [
    { size: null, fit: "contain" },
    { size: null, fit: "contain", alpha: true },
    { size: null, fit: "contain", box: { x: 2.5, y: -3, width: 6, height: 9 } },
  ];
  for (let orientation = 1; orientation <= 8; orientation++) {
    const bytes = await sharp(raw, { raw: { width, height, channels: 4 } })
      .withMetadata({ orientation })
      .png({ palette: false })
      .toBuffer();
    for (const one of wanted) {
      const [own, other] = [decodePngPicture(bytes, one), await decodeBySharp("png", bytes, one)];
      t.same([own.width, own.height, own.channels], [other.width, other.height, other.channels]);
      const worst = own.data.reduce((most, value, i) => Math.max(most, Math.abs(value - other.data[i]!)), 0);
      t.ok(worst <= 1, `orientation ${orientation}, ${JSON.stringify(one)}: ${worst} of 255 apart`);
    }
  }
});

t.test("scaling: means of areas", async (t) => {
  const picture = { width: 4, height: 2, channels: 1, data: Uint8Array.of(0, 100, 200, 40, 20, 80, 220, 60) };
  t.same([...scaled({ ...picture, width: 2, height: 4 }, 2, "cover").data], [200, 40, 20, 80], "the middle");
  t.same([...scaled(picture, 2, "contain").data], [153, 188, 153, 198], "half of each pixel is white");
  t.same([...scaled({ ...picture, width: 8, height: 1 }, 1, "contain").data], [234], "eight in one");
  const grown = scaled({ width: 1, height: 1, channels: 3, data: Uint8Array.of(9, 8, 7) }, 5, "contain");
  t.same([...grown.data], Array.from({ length: 25 }, () => [9, 8, 7]).flat());
  const data = Uint8Array.from(numbers(64 * 64 * 3, 255));
  const same = scaled({ width: 64, height: 64, channels: 3, data }, 64, "cover");
  t.same(same.data, data, "a picture of the right size stays as it is");
});

t.test("damaged files end as a clause", async (t) => {
  const whole = file(17, 13, numbers(17 * 13 * 3, 255), { type: 2, depth: 8 });
  const flipped = Buffer.from(whole);
  flipped[60]! ^= 1;
  const idat = whole.indexOf("IDAT");
  const clean = (bytes: Buffer) => {
    try {
      decodePng(bytes);
      return "nothing was thrown";
    } catch (error) {
      return error instanceof UserError ? error.message : `not ours: ${error}`;
    }
  };
  const damaged = /^the PNG image is damaged or cannot be read \(pngjs says: .+\)$/;
  t.match(clean(flipped), damaged, "a wrong bit");
  t.match(clean(whole.subarray(0, idat + 20)), damaged, "its end is missing");
  const palette = file(17, 13, numbers(17 * 13 * 3, 255), { type: 3, depth: 8 });
  t.match(clean(palette), damaged, "its palette is missing");
  const colours = file(3, 1, [0, 1, 2], { type: 3, depth: 8, palette: [1, 2, 3, 4, 5, 6] });
  t.match(clean(colours), damaged, "a colour beyond the palette");
  const short = file(17, 13, numbers(17 * 13, 255), { type: 0, depth: 8 });
  const deep = Buffer.from(short);
  deep[24] = 3;
  deep.writeUInt32BE(crc32(deep.subarray(12, 29)), 29);
  t.match(clean(deep), damaged, "a depth that PNG does not have");
});
