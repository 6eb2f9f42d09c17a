/** A small folder of captioned pictures, for tests of the commands. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";

const colours = { red: "#d33", green: "#3a3", blue: "#33d", yellow: "#dc3", black: "#222", pink: "#e8a" };
const shapes = {
  circle: '<circle cx="16" cy="16" r="11"/>',
  square: '<rect x="6" y="6" width="20" height="20"/>',
  triangle: '<path d="M16 4 L29 28 L3 28 Z"/>',
  bar: '<rect x="3" y="12" width="26" height="8"/>',
};

/** Writes 24 PNGs, "a red circle" and so on, with `captions.jsonl`: four of them for validation. Returns their names. */
export async function writePictures(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const rows: { file: string; caption: string; split: string }[] = [];
  for (const [colour, fill] of Object.entries(colours)) {
    for (const [shape, drawing] of Object.entries(shapes)) {
      const file = `${colour}-${shape}.png`;
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><rect width="32" height="32" fill="#fff"/><g fill="${fill}">${drawing}</g></svg>`;
      await writeFile(join(folder, file), await sharp(Buffer.from(svg)).png().toBuffer());
      const split = rows.length % 6 === 5 ? "validation" : "train";
      rows.push({ file, caption: `a ${colour} ${shape}`, split });
    }
  }
  await writeFile(join(folder, "captions.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return rows.map(({ file }) => file);
}
