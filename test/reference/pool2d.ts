/** Pooling in float64, one window at a time, straight from the formula in shaders/pool/pool2d.wgsl. */

export interface PoolShape {
  batch: number;
  height: number;
  width: number;
  channels: number;
  kernel: readonly [number, number];
  stride: readonly [number, number];
  top: number;
  left: number;
  outHeight: number;
  outWidth: number;
}

/** `join` receives the pixels of a window that lie in the picture. */
export function pool2d(s: PoolShape, x: Float64Array, join: (values: number[]) => number): Float64Array {
  const y = new Float64Array(s.batch * s.outHeight * s.outWidth * s.channels);
  let at = 0;
  for (let b = 0; b < s.batch; b++)
    for (let oy = 0; oy < s.outHeight; oy++)
      for (let ox = 0; ox < s.outWidth; ox++)
        for (let c = 0; c < s.channels; c++) {
          const values: number[] = [];
          for (let ky = 0; ky < s.kernel[0]; ky++)
            for (let kx = 0; kx < s.kernel[1]; kx++) {
              const iy = oy * s.stride[0] + ky - s.top;
              const ix = ox * s.stride[1] + kx - s.left;
              if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
              values.push(x[((b * s.height + iy) * s.width + ix) * s.channels + c]!);
            }
          y[at++] = join(values);
        }
  return y;
}
