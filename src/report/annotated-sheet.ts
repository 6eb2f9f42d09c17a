/** A sheet of pictures with boxes, and captions whose words have the colours of the boxes that they are about. */

import type { ImageCodec, RgbImage } from "../platform/platform.js";
import { escapeXml, pngAddress } from "./text.js";

/** A rectangle in pixels of its picture. */
export interface SheetBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Characters [start, end) of a caption and the boxes, by number, that they are about. */
export interface SheetMark {
  readonly start: number;
  readonly end: number;
  readonly boxes: readonly number[];
}

export interface AnnotatedPicture {
  readonly title: string;
  readonly image: RgbImage;
  /** Null for what is not visible. */
  readonly boxes: readonly (SheetBox | null)[];
  readonly captions: readonly { readonly text: string; readonly marks: readonly SheetMark[] }[];
}

/** Colours of boxes by number; words about several boxes have the last one. */
const COLOURS = ["#d81b60", "#1e63d6", "#2e8b32", "#c75b00"];
const SEVERAL = "#7a3fb5";
/** Characters a line: a caption has at most twenty words. */
const LINE = 62;

/** One SVG, its width and height in pixels. Each picture is shown `scale` times its size, with its captions to the right. */
export async function annotatedSheet(
  codec: Pick<ImageCodec, "encodePng">,
  pictures: readonly AnnotatedPicture[],
  { scale = 3, columns = 2 }: { scale?: number; columns?: number } = {},
): Promise<{ svg: string; width: number; height: number }> {
  const margin = 14;
  const side = scale * Math.max(0, ...pictures.map(({ image }) => Math.max(image.width, image.height)));
  const cell = side + 440;
  const parts: string[] = [];
  let top = margin;
  for (let first = 0; first < pictures.length; first += columns) {
    let bottom = top;
    for (const [column, { title, image, boxes, captions }] of pictures
      .slice(first, first + columns)
      .entries()) {
      const left = margin + column * cell;
      parts.push(
        `<image x="${left}" y="${top}" width="${image.width * scale}" height="${image.height * scale}" ` +
          `style="image-rendering:pixelated" href="${pngAddress(await codec.encodePng(image))}"/>`,
      );
      for (const [number, box] of boxes.entries()) {
        if (box === null) continue;
        const place = [left + box.x * scale, top + box.y * scale, box.width * scale, box.height * scale];
        const [x, y, width, height] = place;
        parts.push(
          `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="none" stroke="${COLOURS[number % COLOURS.length]}" stroke-width="2"/>`,
        );
      }
      const write = (content: string, line: number) =>
        parts.push(`<text x="${left + side + 12}" y="${top + 13 + line * 16}">${content}</text>`);
      write(`<tspan fill="#777">${escapeXml(title)}</tspan>`, 0);
      let line = 1;
      for (const { text, marks } of captions)
        for (const [start, end] of linesOf(text)) write(coloured(text, start, end, marks), line++);
      bottom = Math.max(bottom, top + side, top + line * 16 + 8);
    }
    top = bottom + margin;
  }
  const width = 2 * margin + Math.min(columns, pictures.length) * cell;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" ` +
    `font-family="'DejaVu Sans', Verdana, sans-serif" font-size="12" fill="#222">` +
    `<rect width="${width}" height="${top}" fill="#fff"/>${parts.join("\n")}</svg>\n`;
  return { svg, width, height: top };
}

/** Ranges of at most `LINE` characters that end at blanks. */
function linesOf(text: string): [number, number][] {
  const lines: [number, number][] = [];
  let start = 0;
  while (text.length - start > LINE) {
    const blank = text.lastIndexOf(" ", start + LINE);
    const end = blank > start ? blank : start + LINE;
    lines.push([start, end]);
    start = blank > start ? end + 1 : end;
  }
  return [...lines, [start, text.length]];
}

function coloured(text: string, start: number, end: number, marks: readonly SheetMark[]): string {
  let [content, at] = ["", start];
  for (const mark of marks) {
    if (mark.start < at || mark.end > end) continue;
    const [first] = mark.boxes;
    const colour =
      first === undefined ? "#888" : mark.boxes.length > 1 ? SEVERAL : COLOURS[first % COLOURS.length];
    content += `${escapeXml(text.slice(at, mark.start))}<tspan fill="${colour}" font-weight="600">${escapeXml(text.slice(mark.start, mark.end))}</tspan>`;
    at = mark.end;
  }
  return content + escapeXml(text.slice(at, end));
}
