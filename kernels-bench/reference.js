/** Float64 references, straight from the formulas, slow and plain. Arrays are flat, row by row. */

import { add, at } from "./numbers.js";

/**
 * [m, k] · [k, n]; `ta`: a is stored [k, m]; `tb`: b is stored [n, k]. `batch` products one after the other.
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 * @param {{ m: number, k: number, n: number, batch?: number, ta?: boolean, tb?: boolean }} shape
 */
export function matmul(a, b, { m, k, n, batch = 1, ta = false, tb = false }) {
  const c = new Float64Array(batch * m * n);
  for (let l = 0; l < batch; l++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) {
          sum +=
            at(a, l * m * k + (ta ? p * m + i : i * k + p)) * at(b, l * k * n + (tb ? j * k + p : p * n + j));
        }
        c[(l * m + i) * n + j] = sum;
      }
    }
  }
  return c;
}

/**
 * Sum over rows: [rows, width] → [width].
 * @param {ArrayLike<number>} x
 * @param {number} width
 */
export function columnSums(x, width) {
  const sums = new Float64Array(width);
  for (let i = 0; i < x.length; i++) add(sums, i % width, at(x, i));
  return sums;
}

/** @param {number} x */
export const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** x σ(1.702 x) and its derivative. */
export const gelu2 = {
  /** @param {number} x */
  value: (x) => x * sigmoid(1.702 * x),
  /** @param {number} x */
  slope(x) {
    const s = sigmoid(1.702 * x);
    return s + 1.702 * x * s * (1 - s);
  },
};

/**
 * Each row of `width` values by itself.
 * @param {ArrayLike<number>} x
 * @param {number} width
 */
export function softmax(x, width) {
  const p = Float64Array.from(x);
  for (let first = 0; first < p.length; first += width) {
    const row = p.subarray(first, first + width);
    const top = row.reduce((high, value) => Math.max(high, value), Number.NEGATIVE_INFINITY);
    let total = 0;
    row.forEach((value, i) => {
      row[i] = Math.exp(value - top);
      total += at(row, i);
    });
    row.forEach((value, i) => {
      row[i] = value / total;
    });
  }
  return p;
}

/**
 * d(softmax): p (dy − Σ p dy).
 * @param {Float64Array} p
 * @param {ArrayLike<number>} dy
 * @param {number} width
 */
export function softmaxBackward(p, dy, width) {
  const dx = new Float64Array(p.length);
  for (let first = 0; first < p.length; first += width) {
    let dot = 0;
    for (let i = first; i < first + width; i++) dot += at(p, i) * at(dy, i);
    for (let i = first; i < first + width; i++) dx[i] = at(p, i) * (at(dy, i) - dot);
  }
  return dx;
}

/**
 * (x − mean)/√(variance + ε) over each group of positions, and the gradient through it.
 * @param {ArrayLike<number>} x
 * @param {readonly (readonly number[])[]} groups Positions in x that are normalised together.
 */
export function normalise(x, groups, epsilon = 1e-5) {
  const normal = new Float64Array(x.length);
  const inverse = groups.map((members) => {
    let mean = 0;
    for (const i of members) mean += at(x, i) / members.length;
    let variance = 0;
    for (const i of members) variance += (at(x, i) - mean) ** 2 / members.length;
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (const i of members) normal[i] = (at(x, i) - mean) * factor;
    return factor;
  });
  return {
    normal,
    /**
     * dx of a gradient with respect to the normalised values: (d − mean d − n mean(d n))/σ.
     * @param {ArrayLike<number>} d
     */
    backward(d) {
      const dx = new Float64Array(x.length);
      groups.forEach((members, g) => {
        let mean = 0;
        let dot = 0;
        for (const i of members) {
          mean += at(d, i) / members.length;
          dot += (at(d, i) * at(normal, i)) / members.length;
        }
        for (const i of members) dx[i] = (at(d, i) - mean - at(normal, i) * dot) * at(inverse, g);
      });
      return dx;
    },
  };
}

/**
 * Rows of `width` as groups for `normalise`.
 * @param {number} rows
 * @param {number} width
 */
export const rowGroups = (rows, width) =>
  Array.from({ length: rows }, (_, r) => Array.from({ length: width }, (_, c) => r * width + c));

/**
 * Attention of q [B, T, H·D] over k and v [B, S, H·D], and its gradients for dy.
 * @param {ArrayLike<number>} q
 * @param {ArrayLike<number>} k
 * @param {ArrayLike<number>} v
 * @param {{ batch: number, queries: number, keys: number, heads: number, width: number }} shape
 * @param {ArrayLike<number>} [dy]
 */
export function attention(q, k, v, { batch, queries, keys, heads, width }, dy) {
  const channels = heads * width;
  const output = new Float64Array(q.length);
  const dq = new Float64Array(q.length);
  const dk = new Float64Array(k.length);
  const dv = new Float64Array(v.length);
  const scale = 1 / Math.sqrt(width);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < queries; t++) {
        const query = (b * queries + t) * channels + h * width;
        /** @param {number} s */
        const key = (s) => (b * keys + s) * channels + h * width;
        const scores = new Float64Array(keys);
        for (let s = 0; s < keys; s++) {
          for (let d = 0; d < width; d++) add(scores, s, scale * at(q, query + d) * at(k, key(s) + d));
        }
        const p = softmax(scores, keys);
        for (let s = 0; s < keys; s++) {
          for (let d = 0; d < width; d++) add(output, query + d, at(p, s) * at(v, key(s) + d));
        }
        if (!dy) continue;
        const dp = new Float64Array(keys);
        for (let s = 0; s < keys; s++) {
          for (let d = 0; d < width; d++) {
            add(dp, s, at(dy, query + d) * at(v, key(s) + d));
            add(dv, key(s) + d, at(p, s) * at(dy, query + d));
          }
        }
        const ds = softmaxBackward(p, dp, keys);
        for (let s = 0; s < keys; s++) {
          for (let d = 0; d < width; d++) {
            add(dq, query + d, scale * at(ds, s) * at(k, key(s) + d));
            add(dk, key(s) + d, scale * at(ds, s) * at(q, query + d));
          }
        }
      }
    }
  }
  return { output, dq, dk, dv };
}

/**
 * Cross-correlation of x [B, H, W, I] with weight [K, K, I, O], `padding` on all sides, and its gradients for dy.
 * @param {ArrayLike<number>} x
 * @param {ArrayLike<number>} weight
 * @param {ArrayLike<number>} bias
 * @param {Readonly<Record<"batch" | "side" | "inputs" | "outputs" | "kernel" | "stride" | "padding", number>>} shape
 * @param {ArrayLike<number>} [dy]
 */
export function conv2d(x, weight, bias, shape, dy) {
  const { batch, side, inputs, outputs, kernel, stride, padding } = shape;
  const outSide = Math.floor((side + 2 * padding - kernel) / stride) + 1;
  const y = new Float64Array(batch * outSide * outSide * outputs);
  const dx = new Float64Array(x.length);
  const dweight = new Float64Array(weight.length);
  for (let b = 0; b < batch; b++) {
    for (let oy = 0; oy < outSide; oy++) {
      for (let ox = 0; ox < outSide; ox++) {
        const out = ((b * outSide + oy) * outSide + ox) * outputs;
        for (let o = 0; o < outputs; o++) y[out + o] = at(bias, o);
        for (let ky = 0; ky < kernel; ky++) {
          const iy = oy * stride + ky - padding;
          if (iy < 0 || iy >= side) continue;
          for (let kx = 0; kx < kernel; kx++) {
            const ix = ox * stride + kx - padding;
            if (ix < 0 || ix >= side) continue;
            for (let i = 0; i < inputs; i++) {
              const pixel = ((b * side + iy) * side + ix) * inputs + i;
              const filter = ((ky * kernel + kx) * inputs + i) * outputs;
              for (let o = 0; o < outputs; o++) {
                add(y, out + o, at(x, pixel) * at(weight, filter + o));
                if (!dy) continue;
                add(dx, pixel, at(dy, out + o) * at(weight, filter + o));
                add(dweight, filter + o, at(dy, out + o) * at(x, pixel));
              }
            }
          }
        }
      }
    }
  }
  return { y, dx, dweight, dbias: dy ? columnSums(dy, outputs) : new Float64Array(outputs) };
}

/**
 * The id of the nearest code of each vector (ties to the lowest) and the squared distance.
 * @param {ArrayLike<number>} z
 * @param {ArrayLike<number>} codes
 * @param {number} width
 */
export function nearest(z, codes, width) {
  const ids = new Uint32Array(z.length / width);
  const distance = new Float64Array(ids.length);
  for (let n = 0; n < ids.length; n++) {
    let best = Number.POSITIVE_INFINITY;
    for (let k = 0; k < codes.length / width; k++) {
      let sum = 0;
      for (let d = 0; d < width; d++) sum += (at(z, n * width + d) - at(codes, k * width + d)) ** 2;
      if (sum < best) {
        best = sum;
        ids[n] = k;
      }
    }
    distance[n] = best;
  }
  return { ids, distance };
}
