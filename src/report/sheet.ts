/** Sheets of pictures: grids, reconstructions below their originals, pictures with captions. */

import type { ImageCodec, RgbImage } from "../platform/platform.js";
import { escapeXml, pngAddress, wrapText } from "./text.js";

export interface GridOptions {
  columns: number;
  /** Pixels between pictures and around them; default 2. */
  gap?: number;
  /** RGB of the gaps; default white. */
  background?: readonly [number, number, number];
}

/** Composes pictures into one, row by row. A cell is as large as the largest picture; smaller ones sit top left. */
export function gridSheet(images: readonly RgbImage[], options: GridOptions): RgbImage {
  const { gap = 2, background = [255, 255, 255] } = options;
  const columns = Math.max(1, Math.min(options.columns, images.length));
  const rows = Math.ceil(images.length / columns);
  const cellWidth = Math.max(0, ...images.map((image) => image.width));
  const cellHeight = Math.max(0, ...images.map((image) => image.height));
  const width = columns * (cellWidth + gap) + gap;
  const height = rows * (cellHeight + gap) + gap;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i += 3) data.set(background, i);
  images.forEach((image, index) => {
    const left = gap + (index % columns) * (cellWidth + gap);
    const top = gap + Math.floor(index / columns) * (cellHeight + gap);
    for (let y = 0; y < image.height; y++) {
      const row = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3);
      data.set(row, ((top + y) * width + left) * 3);
    }
  });
  return { width, height, data };
}

/** Rows of originals, each above the row of its reconstructions. The two lists have the same length. */
export function reconstructionSheet(
  originals: readonly RgbImage[],
  reconstructions: readonly RgbImage[],
  options: GridOptions,
): RgbImage {
  if (originals.length !== reconstructions.length) {
    throw new Error(`${originals.length} originals but ${reconstructions.length} reconstructions`);
  }
  const columns = Math.max(1, Math.min(options.columns, originals.length));
  const blank: RgbImage = { width: 0, height: 0, data: new Uint8Array(0) };
  const ordered: RgbImage[] = [];
  for (let start = 0; start < originals.length; start += columns) {
    for (const row of [originals, reconstructions]) {
      for (let i = start; i < start + columns; i++) ordered.push(row[i] ?? blank);
    }
  }
  return gridSheet(ordered, { ...options, columns });
}

export interface CaptionedImage {
  image: RgbImage;
  /** The model's caption. */
  caption: string;
  /** A human caption, or several; the first is shown in sheets, all in the report. */
  references?: readonly string[];
}

export interface CaptionSheetOptions {
  columns?: number;
  /** Side of a picture in the sheet, in pixels; default 128. */
  imageSize?: number;
  title?: string;
}

/** Pictures in a grid, each with its generated caption and, in a lighter colour, a reference under it: one SVG on white. */
export async function captionSheet(
  codec: Pick<ImageCodec, "encodePng">,
  items: readonly CaptionedImage[],
  options: CaptionSheetOptions = {},
): Promise<string> {
  const { imageSize = 128, title = "" } = options;
  const columns = Math.max(1, Math.min(options.columns ?? 6, items.length));
  const margin = 16;
  const gap = 20;
  const font = 13;
  const lineHeight = 17;
  const cellWidth = imageSize + 24;
  const top = margin + (title === "" ? 0 : 30);

  const parts: string[] = [];
  let y = top;
  for (let start = 0; start < items.length; start += columns) {
    let rowHeight = 0;
    for (const [column, item] of items.slice(start, start + columns).entries()) {
      const x = margin + column * (cellWidth + gap);
      const png = await codec.encodePng(item.image);
      parts.push(
        `<image x="${x + (cellWidth - imageSize) / 2}" y="${y}" width="${imageSize}" height="${imageSize}" href="${pngAddress(png)}"/>`,
      );
      let baseline = y + imageSize + 18;
      const write = (text: string, width: number, attributes: string) => {
        for (const line of wrapText(text, width, font, 4)) {
          parts.push(
            `<text x="${x + cellWidth / 2}" y="${baseline}" ${attributes}>${escapeXml(line)}</text>`,
          );
          baseline += lineHeight;
        }
      };
      write(item.caption === "" ? "(empty caption)" : item.caption, cellWidth * 0.92, 'font-weight="600"'); // bold is wider
      const reference = item.references?.[0];
      if (reference !== undefined) write(reference, cellWidth, 'fill="#666"');
      rowHeight = Math.max(rowHeight, baseline - y);
    }
    y += rowHeight + 10;
  }
  const width = 2 * margin + columns * (cellWidth + gap) - gap;
  const height = y - 10 + margin - 8;
  const heading =
    title === ""
      ? ""
      : `<text x="${margin}" y="${margin + 14}" font-size="16" font-weight="600">${escapeXml(title)}</text>`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="'DejaVu Sans', Verdana, sans-serif" font-size="${font}" fill="#111">` +
    `<rect width="${width}" height="${height}" fill="#fff"/>${heading}` +
    `<g text-anchor="middle">${parts.join("\n")}</g></svg>\n`
  );
}
