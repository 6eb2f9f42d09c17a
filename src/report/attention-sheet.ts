/** A sheet of pictures with boxes, and beside each where the words of its captions look. */

import type { ImageCodec, RgbImage } from "../platform/platform.js";
import type { SheetBox } from "./annotated-sheet.js";
import { escapeXml, pngAddress } from "./text.js";

/** Where some words look. */
export interface SheetMap {
  /** The words. */
  readonly title: string;
  /** Lines below them. */
  readonly notes: readonly string[];
  /** Attention [side²], row by row, its sum 1. */
  readonly map: ArrayLike<number>;
  /** The boxes that the words are about. */
  readonly boxes: readonly SheetBox[];
}

/** A caption with its words' maps. */
export interface SheetCaption {
  /** Who says it. */
  readonly name: string;
  readonly text: string;
  readonly maps: readonly SheetMap[];
}

export interface AttentionPicture {
  readonly title: string;
  readonly image: RgbImage;
  readonly captions: readonly SheetCaption[];
}

const MARGIN = 14;
/** Height of a line of text, and the width of a letter. */
const LINE = 16;
const LETTER = 7;
/** Least width of a picture, so that the lines below it fit. */
const LEAST = 160;
const BOX = "#d81b60";

/** One SVG, its width and height in pixels. Pictures, all of one size, are enlarged by a whole number. */
export async function attentionSheet(
  codec: Pick<ImageCodec, "encodePng">,
  pictures: readonly AttentionPicture[],
): Promise<{ svg: string; width: number; height: number }> {
  const size = Math.max(1, ...pictures.map(({ image }) => image.width));
  const scale = Math.max(2, Math.ceil(LEAST / size));
  const side = scale * size;
  const lines = Math.max(
    0,
    ...pictures.flatMap(({ captions }) =>
      captions.flatMap(({ maps }) => maps.map(({ notes }) => notes.length)),
    ),
  );
  const headOf = (title: string, { name, text }: SheetCaption) => `${title}, ${name}: ${text}`;
  const longest = Math.max(
    ...pictures.flatMap(({ title, captions }) => captions.map((caption) => headOf(title, caption).length)),
  );
  const most = Math.max(0, ...pictures.flatMap(({ captions }) => captions.map(({ maps }) => maps.length)));
  const width = Math.max(MARGIN + (most + 1) * (side + MARGIN), 2 * MARGIN + longest * LETTER);
  const parts: string[] = [];
  const write = (text: string, x: number, y: number, colour = "#222") =>
    parts.push(`<text x="${x}" y="${y}" fill="${colour}">${escapeXml(text)}</text>`);
  let top = MARGIN;
  for (const { title, image, captions } of pictures) {
    const address = pngAddress(await codec.encodePng(image));
    const shown = { width: image.width * scale, height: image.height * scale };
    const picture = (x: number, opacity: number) =>
      parts.push(
        `<image x="${x}" y="${top}" width="${shown.width}" height="${shown.height}" opacity="${opacity}" ` +
          `style="image-rendering:pixelated" href="${address}"/>`,
      );
    for (const caption of captions) {
      write(headOf(title, caption), MARGIN, top + 12);
      top += LINE + 4;
      picture(MARGIN, 1);
      for (const [number, { map, boxes, title: words, notes }] of caption.maps.entries()) {
        const left = MARGIN + (number + 1) * (side + MARGIN);
        picture(left, 0.45);
        parts.push(...cells(map, left, top, shown.width));
        for (const { x, y, width, height } of boxes)
          parts.push(
            `<rect x="${left + x * scale}" y="${top + y * scale}" width="${width * scale}" height="${height * scale}" ` +
              `fill="none" stroke="${BOX}" stroke-width="2"/>`,
          );
        write(words, left, top + shown.height + 13, BOX);
        for (const [line, note] of notes.entries())
          write(note, left, top + shown.height + 13 + (line + 1) * LINE, "#777");
      }
      top += shown.height + (1 + lines) * LINE + MARGIN;
    }
    top += MARGIN;
  }
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" ` +
    `font-family="'DejaVu Sans', Verdana, sans-serif" font-size="12">` +
    `<rect width="${width}" height="${top}" fill="#fff"/>${parts.join("\n")}</svg>\n`;
  return { svg, width, height: top };
}

/** The cells of a map, the largest opaque. */
function cells(map: ArrayLike<number>, left: number, top: number, width: number): string[] {
  const values = Array.from(map);
  const side = Math.round(Math.sqrt(values.length));
  const cell = width / side;
  const most = Math.max(...values);
  return values.flatMap((value, s) => {
    const opacity = Math.round((100 * value) / most) / 100;
    if (opacity < 0.02) return [];
    const [x, y] = [left + (s % side) * cell, top + Math.floor(s / side) * cell];
    return [
      `<rect x="${x}" y="${y}" width="${cell}" height="${cell}" fill="#f59e0b" fill-opacity="${(0.85 * opacity).toFixed(2)}"/>`,
    ];
  });
}
