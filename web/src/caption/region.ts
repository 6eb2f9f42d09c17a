/** A region of the code grid: its cells, and the part of the picture below it. */

import type { Region } from "../code-grid.js";

/** "Rows 2 to 4, columns 1 to 3". */
export const placeOf = ({ row, column, rows, columns }: Region): string =>
  `Rows ${row + 1} to ${row + rows}, columns ${column + 1} to ${column + columns}`;

/** The cells of a region of a grid of side × side. */
export function cellsOf({ row, column, rows, columns }: Region, side: number): number[] {
  return Array.from(
    { length: rows * columns },
    (_, i) => (row + Math.floor(i / columns)) * side + column + (i % columns),
  );
}

/** The part of a picture below a region, in its pixels. The grid lies over the picture as it is padded to a square. */
export function partOf(
  { row, column, rows, columns }: Region,
  side: number,
  { width, height }: { width: number; height: number },
): { x: number; y: number; width: number; height: number } {
  const longest = Math.max(width, height);
  const cell = longest / side;
  return {
    x: column * cell - (longest - width) / 2,
    y: row * cell - (longest - height) / 2,
    width: columns * cell,
    height: rows * cell,
  };
}
