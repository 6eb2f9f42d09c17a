/** Scaling of pictures in float64, from the definition: areas where an axis shrinks, linear interpolation where it grows. */

/** Weights of the texels of one axis for a pixel of the scaled picture. */
function weights(index: number, inner: number, length: number): [texel: number, weight: number][] {
  const scale = length / inner;
  const list: [number, number][] = [];
  if (inner > length) {
    const at = Math.max(0, Math.min(length - 1, (index + 0.5) * scale - 0.5));
    for (let i = 0; i < length; i++) if (Math.abs(i - at) < 1) list.push([i, 1 - Math.abs(i - at)]);
    return list;
  }
  for (let i = 0; i < length; i++) {
    const overlap = Math.min(i + 1, (index + 1) * scale) - Math.max(i, index * scale);
    if (overlap > 1e-9) list.push([i, overlap / scale]);
  }
  return list;
}

/** RGBA bytes → the mean colours [size, size, 3] in 0 … 255, not rounded. */
export function scalePicture(
  { width, height, data }: { width: number; height: number; data: ArrayLike<number> },
  size: number,
  fit: "contain" | "cover",
): Float64Array {
  const scale = (fit === "contain" ? Math.min : Math.max)(size / width, size / height);
  const [innerWidth, innerHeight] = [width, height].map((x) => Math.max(1, Math.round(x * scale))) as [
    number,
    number,
  ];
  const offset = (inner: number) =>
    inner <= size ? Math.floor((size - inner) / 2) : -Math.floor((inner - size + 1) / 2);
  const out = new Float64Array(size * size * 3).fill(255);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [row, column] = [y - offset(innerHeight), x - offset(innerWidth)];
      if (row < 0 || column < 0 || row >= innerHeight || column >= innerWidth) continue;
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (const [i, wy] of weights(row, innerHeight, height)) {
          for (const [j, wx] of weights(column, innerWidth, width)) {
            const alpha = data[(i * width + j) * 4 + 3]! / 255;
            sum += wy * wx * (alpha * data[(i * width + j) * 4 + c]! + (1 - alpha) * 255);
          }
        }
        out[(y * size + x) * 3 + c] = sum;
      }
    }
  }
  return out;
}
