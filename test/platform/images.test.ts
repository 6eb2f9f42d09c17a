/** Pictures: what comes out has known pixels, and what cannot be read is said in one clause. */
import { deflateSync } from "node:zlib";
import { PNG } from "pngjs";
import sharp from "sharp";
import t from "tap";
import { UserError } from "../../dist/platform/errors.js";
import { decodePixels, nodePlatform } from "../../dist/platform/node.js";
import type { RgbImage } from "../../dist/platform/platform.js";

const { images } = nodePlatform;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function pixel(image: RgbImage, x: number, y: number): number[] {
  return [...image.data.subarray((y * image.width + x) * 3, (y * image.width + x) * 3 + 3)];
}

async function problem(data: Uint8Array): Promise<string> {
  try {
    await images.decode(data, 64, "contain", { svg: "bounded" });
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  return "nothing was thrown";
}

/** A PNG of one colour, `width`×`height`, RGBA, made by another library than the one under test. */
function plain(width: number, height: number, colour: readonly number[]): Buffer {
  const png = new PNG({ width, height });
  for (let i = 0; i < width * height; i++) png.data.set(colour, i * 4);
  return PNG.sync.write(png);
}

t.test("PNG: alpha is laid on white, exactly", async (t) => {
  const image = await images.decode(plain(8, 8, [255, 0, 0, 128]), 8, "contain");
  t.equal(image.data.length, 8 * 8 * 3);
  t.same(pixel(image, 3, 3), [255, 127, 127]);
  t.same(pixel(await images.decode(plain(3, 3, [9, 9, 9, 0]), 5, "cover"), 2, 2), [255, 255, 255]);
});

t.test("1×1 grows to any size", async (t) => {
  for (const size of [1, 3, 17, 64]) {
    const image = await images.decode(plain(1, 1, [10, 20, 30, 255]), size, "contain");
    t.same([image.width, image.height, image.data.length], [size, size, size * size * 3]);
    t.same(pixel(image, size - 1, size >> 1), [10, 20, 30]);
  }
});

t.test("contain pads with white, cover crops the centre", async (t) => {
  const wide = plain(40, 10, [0, 0, 255, 255]);
  const contained = await images.decode(wide, 20, "contain");
  t.same(
    [pixel(contained, 10, 0), pixel(contained, 10, 10)],
    [
      [255, 255, 255],
      [0, 0, 255],
    ],
  );
  const covered = await images.decode(wide, 20, "cover");
  t.same(
    [pixel(covered, 0, 0), pixel(covered, 19, 19)],
    [
      [0, 0, 255],
      [0, 0, 255],
    ],
  );
});

t.test("JPEG, WebP, grey, grey with alpha, palette, 16 bits, CMYK all become RGB", async (t) => {
  const base = sharp({
    create: { width: 16, height: 16, channels: 3, background: { r: 200, g: 200, b: 200 } },
  });
  const inputs: Record<string, Buffer> = {
    jpeg: await base.clone().jpeg({ quality: 95 }).toBuffer(),
    webp: await base.clone().webp({ lossless: true }).toBuffer(),
    grey: await base.clone().greyscale().png().toBuffer(),
    greyAlpha: await base.clone().greyscale().ensureAlpha().png().toBuffer(),
    palette: await base.clone().png({ palette: true }).toBuffer(),
    deep: await base.clone().toColourspace("rgb16").png().toBuffer(),
  };
  for (const [name, input] of Object.entries(inputs)) {
    const image = await images.decode(input, 16, "contain");
    t.equal(image.data.length, 768, name);
    t.ok(
      Math.max(...pixel(image, 8, 8).map((value) => Math.abs(value - 200))) <= 2,
      `${name} ${pixel(image, 8, 8)}`,
    );
  }
  const cmyk = await images.decode(await base.clone().toColourspace("cmyk").jpeg().toBuffer(), 16, "contain");
  // Two conversions between unlike gamuts shift a grey by some steps.
  t.equal(cmyk.data.length, 768, "CMYK has 3 channels afterwards");
  t.ok(
    Math.max(...pixel(cmyk, 8, 8).map((value) => Math.abs(value - 200))) <= 20,
    `CMYK ${pixel(cmyk, 8, 8)}`,
  );
});

t.test("a photograph lies as its EXIF orientation says", async (t) => {
  const raw = Buffer.alloc(16 * 8 * 3);
  for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) raw[(y * 16 + x) * 3] = 255;
  const turned = await sharp(raw, { raw: { width: 16, height: 8, channels: 3 } })
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 95, chromaSubsampling: "4:4:4" })
    .toBuffer();
  const image = await images.decode(turned, 16, "cover");
  t.ok(
    pixel(image, 8, 2)[0]! > 200 && pixel(image, 8, 13)[0]! < 60,
    "left half is on top after a quarter turn",
  );
});

t.test("SVG is drawn at the wanted size: an edge is one pixel wide", async (t) => {
  const half = (side: number, unit = "") =>
    bytes(
      `<svg xmlns="http://www.w3.org/2000/svg" width="${side}${unit}" height="${side}${unit}" viewBox="0 0 2 2"><path d="M0 0h1v2H0z"/></svg>`,
    );
  for (const [name, svg] of Object.entries({
    tiny: half(2),
    large: half(3000),
    huge: half(100_000),
    em: half(1, "em"),
    noSize: bytes(
      `<?xml version="1.0"?><svg viewBox="0 0 2 2" xmlns="http://www.w3.org/2000/svg"><path d="M0 0h1v2H0z"/></svg>`,
    ),
  })) {
    const image = await images.decode(svg, 64, "contain", { svg: "bounded" });
    const row = Array.from({ length: 64 }, (_, x) => pixel(image, x, 20)[0]!);
    const soft = row.filter((value) => value > 8 && value < 247).length;
    t.ok(row[4] === 0 && row[60] === 255 && soft <= 2, `${name}: ${soft} soft pixels`);
  }
});

t.test("unreadable input is named", async (t) => {
  t.match(await problem(new Uint8Array()), /^the file is empty/);
  t.match(
    await problem(bytes("hello, I am a text")),
    /^the file is text that begins "hello, I am a text", and a PNG/,
  );
  t.match(
    await problem(bytes("GIF89a......")),
    /a GIF image, and a PNG, JPEG, WebP or SVG image was expected/,
  );
  await t.rejects(images.decode(bytes("<svg xmlns='http://www.w3.org/2000/svg'/>"), 8, "contain"), {
    message: "the file is an SVG drawing, and a PNG, JPEG or WebP image was expected",
  });
  t.match(await problem(bytes("<!doctype html><html></html>")), /a web page/);
  t.match(await problem(new Uint8Array([0, 1, 2, 3, 4, 5])), /not an image that can be recognised/);
  const whole = plain(64, 64, [1, 2, 3, 255]);
  t.match(await problem(whole.subarray(0, 60)), /^the PNG image is damaged/);
  const noise = await sharp({
    create: {
      width: 64,
      height: 64,
      channels: 3,
      background: "#888",
      noise: { type: "gaussian", mean: 128, sigma: 60 },
    },
  })
    .jpeg()
    .toBuffer();
  t.match(await problem(noise.subarray(0, noise.length >> 1)), /^the JPEG image is damaged/);
  t.match(await problem(bytes("<svg xmlns='http://www.w3.org/2000/svg'><g>")), /^the SVG image is damaged/);
  t.match(
    await problem(bytes("<svg xmlns='http://www.w3.org/2000/svg' width='1000000' height='1000000'/>")),
    /^the image is 1000000×1000000 pixels/,
  );
  for (const data of [whole.subarray(0, 60), noise.subarray(0, 200)]) {
    t.notMatch(await problem(data), /\n/, "one line");
  }
});

t.test("a bomb is refused by its header, at once", async (t) => {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const frame = Buffer.alloc(body.length + 8);
    frame.writeUInt32BE(data.length, 0);
    body.copy(frame, 4);
    frame.writeUInt32BE(crc32(body), body.length + 4);
    return frame;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(50_000, 0);
  header.writeUInt32BE(50_000, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const bomb = Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc(1000))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
  const start = performance.now();
  t.match(await problem(bomb), /^the image is 50000×50000 pixels, and at most 100 million pixels are read/);
  t.ok(performance.now() - start < 5000);
});

t.test("PNG encoding loses nothing, read back by another library", async (t) => {
  const data = Uint8Array.from({ length: 17 * 5 * 3 }, (_, i) => (i * 37) % 256);
  const png = PNG.sync.read(Buffer.from(await images.encodePng({ width: 17, height: 5, data })));
  t.same([png.width, png.height], [17, 5]);
  t.same(
    [...png.data].filter((_, i) => i % 4 !== 3),
    [...data],
  );
  await t.rejects(images.encodePng({ width: 2, height: 2, data }), /encodePng/);
});

t.test("pictures in their own size", async (t) => {
  const two = await sharp({ create: { width: 5, height: 3, channels: 3, background: "#204060" } })
    .jpeg()
    .withMetadata({ orientation: 6 })
    .toBuffer();
  const turned = await decodePixels(two);
  t.same([turned.width, turned.height, turned.data.length], [3, 5, 45], "turned as its file says");
  const svg = bytes(
    "<svg xmlns='http://www.w3.org/2000/svg' width='7' height='4'><rect width='7' height='4' fill='#f00'/></svg>",
  );
  const drawn = await decodePixels(svg, { svg: "bounded", alpha: false });
  t.same([drawn.width, drawn.height], [7, 4], "a drawing, by the process with bounds");
  t.same(pixel(drawn, 6, 3), [255, 0, 0], "to its last pixel");
  await t.rejects(decodePixels(svg), UserError, "on request only");
  const whole = await decodePixels(svg, { svg: "bounded" });
  t.same([whole.data.length, ...whole.data.subarray(-4)], [7 * 4 * 4, 255, 0, 0, 255], "RGBA by it, too");
  const clear = await sharp({ create: { width: 2, height: 2, channels: 4, background: "#20406000" } })
    .png()
    .toBuffer();
  t.same([...(await decodePixels(clear)).data.subarray(0, 4)], [0x20, 0x40, 0x60, 0], "alpha stays");
  t.same([...(await decodePixels(clear, { alpha: false })).data.subarray(0, 3)], [255, 255, 255], "or not");
});

t.test("many at once", async (t) => {
  const svg = bytes(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="4"/></svg>`,
  );
  const first = await images.decode(svg, 32, "contain", { svg: "bounded" });
  const all = await Promise.all(
    Array.from({ length: 64 }, () => images.decode(svg, 32, "contain", { svg: "bounded" })),
  );
  t.ok(all.every((image) => Buffer.compare(image.data, first.data) === 0));
});

/** CRC-32 as PNG defines it. */
function crc32(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
