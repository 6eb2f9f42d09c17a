/** Convolution in float64, one output at a time, straight from the formula in shaders/conv2d/conv2d-subgroups.wgsl. */

export interface ConvolutionShape {
  batch: number;
  height: number;
  width: number;
  channels: number;
  kernelHeight: number;
  kernelWidth: number;
  outChannels: number;
  stride: number;
  top: number;
  left: number;
  outHeight: number;
  outWidth: number;
}

export function referenceConv2d(
  s: ConvolutionShape,
  x: Float64Array,
  weight: Float64Array,
  bias?: Float64Array,
): Float64Array {
  const y = new Float64Array(s.batch * s.outHeight * s.outWidth * s.outChannels);
  let at = 0;
  for (let b = 0; b < s.batch; b++) {
    for (let oy = 0; oy < s.outHeight; oy++) {
      for (let ox = 0; ox < s.outWidth; ox++) {
        for (let o = 0; o < s.outChannels; o++) {
          let sum = bias ? bias[o]! : 0;
          for (let ky = 0; ky < s.kernelHeight; ky++) {
            for (let kx = 0; kx < s.kernelWidth; kx++) {
              const iy = oy * s.stride + ky - s.top;
              const ix = ox * s.stride + kx - s.left;
              if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
              for (let i = 0; i < s.channels; i++) {
                const pixel = x[((b * s.height + iy) * s.width + ix) * s.channels + i]!;
                sum += pixel * weight[((ky * s.kernelWidth + kx) * s.channels + i) * s.outChannels + o]!;
              }
            }
          }
          y[at++] = sum;
        }
      }
    }
  }
  return y;
}

/** d(Σ y∘dy) with respect to x and weight, by scattering every product of the formula. */
export function referenceConv2dGradients(
  s: ConvolutionShape,
  x: Float64Array,
  weight: Float64Array,
  dy: Float64Array,
): { dx: Float64Array; dweight: Float64Array; dbias: Float64Array } {
  const dx = new Float64Array(x.length);
  const dweight = new Float64Array(weight.length);
  const dbias = new Float64Array(s.outChannels);
  let at = 0;
  for (let b = 0; b < s.batch; b++) {
    for (let oy = 0; oy < s.outHeight; oy++) {
      for (let ox = 0; ox < s.outWidth; ox++) {
        for (let o = 0; o < s.outChannels; o++) {
          const g = dy[at++]!;
          dbias[o]! += g;
          for (let ky = 0; ky < s.kernelHeight; ky++) {
            for (let kx = 0; kx < s.kernelWidth; kx++) {
              const iy = oy * s.stride + ky - s.top;
              const ix = ox * s.stride + kx - s.left;
              if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
              for (let i = 0; i < s.channels; i++) {
                const pixel = ((b * s.height + iy) * s.width + ix) * s.channels + i;
                const filter = ((ky * s.kernelWidth + kx) * s.channels + i) * s.outChannels + o;
                dx[pixel]! += g * weight[filter]!;
                dweight[filter]! += g * x[pixel]!;
              }
            }
          }
        }
      }
    }
  }
  return { dx, dweight, dbias };
}
