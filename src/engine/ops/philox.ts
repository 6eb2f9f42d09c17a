/**
 * The random numbers of shaders/common/rng.wgsl in plain TypeScript, bit for bit: Philox4x32-10 (Salmon et al., 2011) and the
 * integer constructions of uniform, normal and Gumbel numbers on top of it. For tests, for the CPU side of data
 * loading, and for replaying a step.
 */

export type Words = readonly [number, number, number, number];

/** High 32 bits of the product of two unsigned 32-bit integers. */
function mulHi(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const cross = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + (middle >>> 16) + (cross >>> 16)) >>> 0;
}

/** Philox4x32-10: four uniform 32-bit words for a counter of four words and a key of two. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [x, y, z, w] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const hi0 = mulHi(0xd2511f53, x);
    const hi1 = mulHi(0xcd9e8d57, z);
    const lo0 = Math.imul(0xd2511f53, x) >>> 0;
    const lo1 = Math.imul(0xcd9e8d57, z) >>> 0;
    [x, y, z, w] = [(hi1 ^ y ^ k0) >>> 0, lo1, (hi0 ^ w ^ k1) >>> 0, lo0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [x, y, z, w];
}

/** Uniform in [0, 1): a multiple of 2^-24. */
export function uniform01(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

/** Uniform in (0, 1): an odd multiple of 2^-24. */
export function uniformOpen(word: number): number {
  return (((word >>> 8) & 0xfffffe) | 1) * 2 ** -24;
}

/** Uniform in [-1, 1): a multiple of 2^-23. */
export function uniformSymmetric(word: number): number {
  return (word >> 8) * 2 ** -23;
}

/** -log2(1 - v) / v for v = w / 2^32 in (0, 1/2], as 2.30 fixed point. */
function log2Slope(w: number): number {
  const v = (w + 0x8000) >>> 16;
  let h = 40012;
  h = -14707 + ((h * v) >> 16);
  h = 19069 + ((h * v) >> 16);
  h = 14829 + ((h * v) >> 16);
  h = 47359 + ((h * v) >> 15);
  return (1549071949 + (((h * v) >>> 16) << 14)) >>> 0;
}

/** -log2(x / 2^32) for odd x, as mantissa · 2^-scale. */
function negLog2(x: number): { mantissa: number; scale: number } {
  const n = Math.clz32(x);
  const w = -(x << n) >>> 0;
  const s = Math.clz32(w);
  const product = mulHi((w << s) >>> 0, log2Slope(w));
  if (n === 0) return { mantissa: product, scale: 30 + s };
  return { mantissa: ((n << 26) + ((product >>> 4) >>> s)) >>> 0, scale: 26 };
}

/** Standard Gumbel noise -ln(-ln u), u = (word | 1) / 2^32: a multiple of 2^-19, absolute error below 4e-5. */
export function gumbel(word: number): number {
  const { mantissa, scale } = negLog2((word | 1) >>> 0);
  const k = Math.clz32(mantissa);
  const w = -(mantissa << k) >>> 0;
  const shifted = ((k + scale - 24) << 24) + (mulHi(w, log2Slope(w)) >>> 6);
  const fixed = mulHi(shifted >>> 0, 2977044472) - 86883573;
  return ((fixed + 16) >> 5) * 2 ** -19;
}

/** sqrt(-2 ln u) as root · 2^-shift. */
function radius(word: number): { root: number; shift: number } {
  const { mantissa, scale } = negLog2((word | 1) >>> 0);
  const k = Math.clz32(mantissa);
  let square = mulHi((mantissa << k) >>> 0, 2977044472);
  let power = k + scale - 1;
  if (power % 2 === 1) {
    square >>>= 1;
    power -= 1;
  }
  let root = 0;
  let rest = 0;
  for (let digit = 0; digit < 24; digit++) {
    rest = (rest << 2) | (square >>> 30);
    square <<= 2;
    const trial = (root << 2) | 1;
    root <<= 1;
    if (rest >= trial) {
      rest -= trial;
      root |= 1;
    }
  }
  return { root, shift: 8 + power / 2 };
}

/** sin(π/2 · f / 2^32) as 1.31 fixed point. */
function quarterSine(f: number): number {
  const square = mulHi(f, f);
  const third = 341174479 - mulHi(18613970, square);
  const second = 2774092390 - mulHi(third, square);
  return mulHi(f, 3373248306 - (mulHi(second, square) >>> 1));
}

/** Two standard normal numbers (Box and Muller) from two words: multiples of 2^-20 in [-6.7, 6.7]. */
export function normalPair(wordRadius: number, wordAngle: number): [number, number] {
  const r = radius(wordRadius);
  const scaled = (sine: number) => {
    const shift = r.shift - 13;
    return ((mulHi((r.root << 8) >>> 0, sine) + (1 << (shift - 1))) >>> shift) * 2 ** -20;
  };
  const f = ((wordAngle << 2) | 2) >>> 0;
  const sine = quarterSine(f);
  const cosine = quarterSine(-f >>> 0);
  const quadrant = wordAngle >>> 30;
  const turned = quadrant % 2 === 1;
  const x = scaled(turned ? sine : cosine);
  const y = scaled(turned ? cosine : sine);
  return [quadrant === 1 || quadrant === 2 ? -x : x, quadrant >= 2 ? -y : y];
}

/** A probability in units of 2^-31, which the kernels compare with a word's upper 31 bits: 0 is never, 1 always. */
export function probabilityThreshold(probability: number): number {
  return Math.round(Math.min(1, Math.max(0, probability)) * 2 ** 31);
}

/** Whether the event of a `probabilityThreshold` occurs for this word. */
export function happens(word: number, threshold: number): boolean {
  return word >>> 1 < threshold;
}

/** An integer in 0 … count - 1, uniform up to a bias of count / 2^32. */
export function below(word: number, count: number): number {
  return mulHi(word, count);
}

/** The words of one stream of one step, as the kernels draw them. */
export class PhiloxStream {
  private readonly key: readonly [number, number];
  private readonly stream: number;
  private readonly step: number;

  constructor(seed: number | bigint, stream: number, step: number) {
    this.key = seedWords(seed);
    this.stream = stream;
    this.step = step;
  }

  /** Block `index` of the stream: four words. */
  block(index: number): Words {
    return philox([index, this.stream, this.step, 0], this.key);
  }

  /** The word for element `i` of a fill. */
  word(i: number): number {
    return this.block(Math.floor(i / 4))[i % 4]!;
  }

  private fill(count: number, convert: (words: Words) => readonly number[]): Float32Array {
    const values = new Float32Array(count);
    for (let block = 0; block * 4 < count; block++) {
      const four = convert(this.block(block));
      for (let lane = 0; lane < 4 && block * 4 + lane < count; lane++) values[block * 4 + lane] = four[lane]!;
    }
    return values;
  }

  /** Uniform numbers in [0, scale). */
  uniform(count: number, scale = 1): Float32Array {
    return this.fill(count, (words) => words.map((word) => Math.fround(scale) * uniform01(word)));
  }

  /** Uniform numbers in [-limit, limit). */
  uniformSymmetric(count: number, limit = 1): Float32Array {
    return this.fill(count, (words) => words.map((word) => Math.fround(limit) * uniformSymmetric(word)));
  }

  /** Normal numbers with mean 0 and this standard deviation. */
  normal(count: number, deviation = 1): Float32Array {
    return this.fill(count, ([a, b, c, d]) => {
      return [...normalPair(a, b), ...normalPair(c, d)].map((value) => Math.fround(deviation) * value);
    });
  }

  /** Standard Gumbel numbers times `scale`. */
  gumbel(count: number, scale = 1): Float32Array {
    return this.fill(count, (words) => words.map((word) => Math.fround(scale) * gumbel(word)));
  }

  /** `value` with this probability, else 0. */
  bernoulli(count: number, probability: number, value = 1): Float32Array {
    const threshold = probabilityThreshold(probability);
    return this.fill(count, (words) => words.map((word) => (happens(word, threshold) ? value : 0)));
  }

  /** One draw from softmax of each row of `width` log-probabilities; ties go to the lowest index. */
  categorical(logProbs: Float32Array, width: number): Uint32Array {
    const rows = logProbs.length / width;
    const blocks = Math.ceil(width / 4);
    const choice = new Uint32Array(rows);
    for (let row = 0; row < rows; row++) {
      let best = Number.NEGATIVE_INFINITY;
      for (let block = 0; block < blocks; block++) {
        const words = this.block(row * blocks + block);
        for (let k = block * 4; k < Math.min(width, block * 4 + 4); k++) {
          const value = Math.fround(logProbs[row * width + k]! + gumbel(words[k % 4]!));
          if (value > best) {
            best = value;
            choice[row] = k;
          }
        }
      }
    }
    return choice;
  }
}

/** [low, high] words of a seed: an integer of at most 64 bits. */
export function seedWords(seed: number | bigint): [number, number] {
  const bits = BigInt.asUintN(64, BigInt(seed));
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}

/** The numbers of a stream of a generator's current step, in plain TypeScript. */
export function replay(
  { seed, step }: { readonly seed: bigint; readonly step: number },
  stream: number,
): PhiloxStream {
  return new PhiloxStream(seed, stream, step);
}
