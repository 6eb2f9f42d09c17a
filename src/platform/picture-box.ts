/** A part of a picture. */

/** A rectangle in pixels of the upright picture, from its top left corner. It may reach beyond the picture. */
export interface PictureBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The box as bytes, for another process: four 64-bit numbers. */
export function boxBytes({ x, y, width, height }: PictureBox): Uint8Array {
  return new Uint8Array(Float64Array.of(x, y, width, height).buffer);
}

/** Bytes of `boxBytes`. */
export const BOX_BYTES = 32;

/** The box that `boxBytes` wrote. */
export function boxFrom(bytes: Uint8Array): PictureBox {
  const [x, y, width, height] = new Float64Array(bytes.slice(0, BOX_BYTES).buffer);
  return { x: x!, y: y!, width: width!, height: height! };
}

/** The pixels of `box` that lie within an upright picture; the whole picture if there are none. */
export function pixelsIn(
  picture: { readonly width: number; readonly height: number },
  box: PictureBox,
): { left: number; top: number; width: number; height: number } {
  const [left, top] = [Math.max(0, Math.floor(box.x)), Math.max(0, Math.floor(box.y))];
  const right = Math.min(picture.width, Math.ceil(box.x + box.width));
  const bottom = Math.min(picture.height, Math.ceil(box.y + box.height));
  if (right <= left || bottom <= top)
    return { left: 0, top: 0, width: picture.width, height: picture.height };
  return { left, top, width: right - left, height: bottom - top };
}
