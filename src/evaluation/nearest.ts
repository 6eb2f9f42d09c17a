/**
 * For the nearest-picture baseline: for each query, the index of the stored vector at the smallest squared distance; the first of
 * equals. Both arrays are row-major [rows, `width`]: pixels (best `shrink`ed first) or embedded codes.
 */
export function nearestVectors(
  queries: ArrayLike<number>,
  stored: ArrayLike<number>,
  width: number,
): Uint32Array {
  if (width < 1 || queries.length % width !== 0 || stored.length % width !== 0 || stored.length === 0) {
    throw new RangeError(
      `nearestVectors: ${queries.length} and ${stored.length} numbers are not rows of ${width}`,
    );
  }
  const nearest = new Uint32Array(queries.length / width);
  for (let q = 0; q < nearest.length; q++) {
    let best = Number.POSITIVE_INFINITY;
    for (let s = 0; s < stored.length / width; s++) {
      let distance = 0;
      for (let i = 0; i < width && distance < best; i++) {
        const difference = queries[q * width + i]! - stored[s * width + i]!;
        distance += difference * difference;
      }
      if (distance < best) {
        best = distance;
        nearest[q] = s;
      }
    }
  }
  return nearest;
}

/** For each query, the index of the nearest stored code grid by Hamming distance (the share of places that differ). */
export function nearestCodes(
  queries: ArrayLike<number>,
  stored: ArrayLike<number>,
  width: number,
): Uint32Array {
  if (width < 1 || queries.length % width !== 0 || stored.length % width !== 0 || stored.length === 0) {
    throw new RangeError(
      `nearestCodes: ${queries.length} and ${stored.length} numbers are not rows of ${width}`,
    );
  }
  const nearest = new Uint32Array(queries.length / width);
  for (let q = 0; q < nearest.length; q++) {
    let best = width + 1;
    for (let s = 0; s < stored.length / width; s++) {
      let different = 0;
      for (let i = 0; i < width && different < best; i++) {
        if (queries[q * width + i] !== stored[s * width + i]) different++;
      }
      if (different < best) {
        best = different;
        nearest[q] = s;
      }
    }
  }
  return nearest;
}

/** A picture [size, size, 3] averaged over `factor`×`factor` blocks, values 0 … 1. `size` must be a multiple of `factor`. */
export function shrink(picture: Uint8Array, size: number, factor: number): Float32Array {
  if (size % factor !== 0 || picture.length !== size * size * 3) {
    throw new RangeError(
      `shrink: cannot average ${picture.length} bytes of side ${size} over blocks of ${factor}`,
    );
  }
  const side = size / factor;
  const small = new Float32Array(side * side * 3);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let c = 0; c < 3; c++) {
        const target = (Math.floor(y / factor) * side + Math.floor(x / factor)) * 3 + c;
        small[target]! += picture[(y * size + x) * 3 + c]! / (255 * factor * factor);
      }
    }
  }
  return small;
}
