/** Kernels that go over rows or groups: softmax and the normalisations. */

import { adaLayerNorm, groupNorm, layerNorm, softmax } from "../../dist/engine/index.js";
import { add, at } from "../numbers.js";
import { forward, input, withGradients } from "../problem.js";
import * as reference from "../reference.js";

/** @import { Case, Family } from "../types.js" */

/** @typedef {Record<"rows" | "width", number>} Rows */

/** @param {boolean} gradients */
const suffix = (gradients) => (gradients ? ", gradients" : "");

/**
 * @param {number} rows
 * @param {number} width
 * @param {boolean} gradients
 * @returns {Case<Rows>}
 */
function softmaxRows(rows, width, gradients) {
  return {
    family: "softmax",
    name: `softmax ${rows}×${width}${suffix(gradients)}`,
    size: { rows, width },
    checkSize: { rows: Math.min(rows, 65), width },
    flops: (s) => (gradients ? 8 : 4) * s.rows * s.width,
    bytes: (s) => 4 * (gradients ? 4 : 2) * s.rows * s.width,
    tolerance: 1e-5,
    build(gpu, s, random) {
      const x = random.floats(s.rows * s.width, 2);
      const dy = random.floats(x.length);
      const leaf = input(gpu, x, [s.rows, s.width]);
      const expected = () => {
        const p = reference.softmax(x, s.width);
        return gradients ? [p, reference.softmaxBackward(p, dy, s.width)] : [p];
      };
      if (!gradients) return forward([leaf], () => [softmax(leaf)], expected);
      return withGradients([leaf], [], () => softmax(leaf), input(gpu, dy, [s.rows, s.width]), expected);
    },
  };
}

/**
 * @param {number} rows
 * @param {number} width
 * @param {boolean} gradients
 * @returns {Case<Rows>}
 */
function layerNormRows(rows, width, gradients) {
  return {
    family: "layer-norm",
    name: `layer norm ${rows}×${width}${suffix(gradients)}`,
    size: { rows, width },
    checkSize: { rows: Math.min(rows, 129), width },
    flops: (s) => (gradients ? 20 : 8) * s.rows * s.width,
    bytes: (s) => 4 * (gradients ? 2 : 1) * (2 * s.rows * s.width + 2 * s.width),
    tolerance: 2e-5,
    build(gpu, s, random) {
      const x = random.floats(s.rows * s.width);
      const dy = random.floats(x.length);
      const [weight, bias] = [random.floats(s.width), random.floats(s.width)];
      const leaf = input(gpu, x, [s.rows, s.width]);
      const factors = input(gpu, weight, [s.width]);
      const offsets = input(gpu, bias, [s.width]);
      const leaves = [leaf, factors, offsets];
      const op = () => layerNorm(leaf, factors, offsets);
      const expected = () => {
        const { normal, backward } = reference.normalise(x, reference.rowGroups(s.rows, s.width));
        const y = normal.map((value, i) => value * at(weight, i % s.width) + at(bias, i % s.width));
        if (!gradients) return [y];
        return [
          y,
          backward(dy.map((value, i) => value * at(weight, i % s.width))),
          reference.columnSums(
            normal.map((value, i) => value * at(dy, i)),
            s.width,
          ),
          reference.columnSums(dy, s.width),
        ];
      };
      if (!gradients) return forward(leaves, () => [op()], expected);
      return withGradients(leaves, [], op, input(gpu, dy, [s.rows, s.width]), expected);
    },
  };
}

/**
 * @param {number} batch
 * @param {number} positions
 * @param {number} width
 * @param {boolean} gradients
 * @returns {Case<Record<"batch" | "positions" | "width", number>>}
 */
function adaptive(batch, positions, width, gradients) {
  return {
    family: "adaln",
    name: `AdaLN ${batch}×${positions}×${width}${suffix(gradients)}`,
    size: { batch, positions, width },
    checkSize: { batch: Math.min(batch, 3), positions: Math.min(positions, 65), width },
    flops: (s) => (gradients ? 20 : 8) * s.batch * s.positions * s.width,
    bytes: (s) => 4 * (gradients ? 2 : 1) * s.batch * s.width * (2 * s.positions + 2),
    tolerance: 2e-5,
    build(gpu, s, random) {
      const rows = s.batch * s.positions;
      const x = random.floats(rows * s.width);
      const dy = random.floats(x.length);
      const scaleShift = random.floats(s.batch * 2 * s.width);
      const shape = [s.batch, s.positions, s.width];
      const leaf = input(gpu, x, shape);
      const modulator = input(gpu, scaleShift, [s.batch, 2 * s.width]);
      const leaves = [leaf, modulator];
      const op = () => adaLayerNorm(leaf, modulator);
      const expected = () => {
        const { normal, backward } = reference.normalise(x, reference.rowGroups(rows, s.width));
        /** @param {number} i */
        const scaleAt = (i) => Math.floor(i / (s.positions * s.width)) * 2 * s.width + (i % s.width);
        const y = normal.map(
          (value, i) => value * (1 + at(scaleShift, scaleAt(i))) + at(scaleShift, scaleAt(i) + s.width),
        );
        if (!gradients) return [y];
        const modulation = new Float64Array(scaleShift.length);
        for (let i = 0; i < x.length; i++) {
          add(modulation, scaleAt(i), at(normal, i) * at(dy, i));
          add(modulation, scaleAt(i) + s.width, at(dy, i));
        }
        return [y, backward(dy.map((value, i) => value * (1 + at(scaleShift, scaleAt(i))))), modulation];
      };
      if (!gradients) return forward(leaves, () => [op()], expected);
      return withGradients(leaves, [], op, input(gpu, dy, shape), expected);
    },
  };
}

/**
 * Group norm with SiLU, as in the VQ-VAE.
 * @param {number} batch
 * @param {number} side
 * @param {number} channels
 * @param {boolean} gradients
 * @returns {Case<Record<"batch" | "side" | "channels" | "groups", number>>}
 */
function groups(batch, side, channels, gradients) {
  return {
    family: "group-norm",
    name: `group norm + SiLU ${batch}×${side}×${side}×${channels}${suffix(gradients)}`,
    size: { batch, side, channels, groups: channels / 8 },
    checkSize: { batch: Math.min(batch, 2), side: Math.min(side, 17), channels, groups: channels / 8 },
    flops: (s) => (gradients ? 30 : 12) * s.batch * s.side ** 2 * s.channels,
    bytes: (s) => 4 * (gradients ? 2 : 1) * (2 * s.batch * s.side ** 2 + 2) * s.channels,
    tolerance: 2e-5,
    build(gpu, s, random) {
      const pixels = s.side ** 2;
      const x = random.floats(s.batch * pixels * s.channels);
      const dy = random.floats(x.length);
      const [weight, bias] = [random.floats(s.channels), random.floats(s.channels)];
      const shape = [s.batch, s.side, s.side, s.channels];
      const leaf = input(gpu, x, shape);
      const factors = input(gpu, weight, [s.channels]);
      const offsets = input(gpu, bias, [s.channels]);
      const leaves = [leaf, factors, offsets];
      const op = () => groupNorm(leaf, s.groups, factors, offsets, { activation: "silu" });
      const expected = () => {
        const width = s.channels / s.groups;
        const members = Array.from({ length: s.batch * s.groups }, (_, g) =>
          Array.from({ length: pixels * width }, (_, j) => {
            const pixel = Math.floor(g / s.groups) * pixels + Math.floor(j / width);
            return pixel * s.channels + (g % s.groups) * width + (j % width);
          }),
        );
        const { normal, backward } = reference.normalise(x, members);
        const scaled = normal.map(
          (value, i) => value * at(weight, i % s.channels) + at(bias, i % s.channels),
        );
        const y = scaled.map((value) => value * reference.sigmoid(value));
        if (!gradients) return [y];
        const d = scaled.map((value, i) => {
          const gate = reference.sigmoid(value);
          return at(dy, i) * (gate + value * gate * (1 - gate));
        });
        return [
          y,
          backward(d.map((value, i) => value * at(weight, i % s.channels))),
          reference.columnSums(
            d.map((value, i) => value * at(normal, i)),
            s.channels,
          ),
          reference.columnSums(d, s.channels),
        ];
      };
      if (!gradients) return forward(leaves, () => [op()], expected);
      return withGradients(leaves, [], op, input(gpu, dy, shape), expected);
    },
  };
}

/** @param {(gradients: boolean) => Case} make */
const both = (make) => [false, true].map(make);

/** @type {Family[]} */
export const families = [
  {
    name: "softmax",
    natural: "n rows of n",
    at: (n) => both((gradients) => softmaxRows(n, n, gradients)),
    small: both((gradients) => softmaxRows(64, 256, gradients)),
    medium: [...both((gradients) => softmaxRows(4096, 256, gradients)), softmaxRows(1024, 1741, false)],
    large: both((gradients) => softmaxRows(16384, 1024, gradients)),
  },
  {
    name: "layer-norm",
    natural: "n rows of n",
    at: (n) => both((gradients) => layerNormRows(n, n, gradients)),
    small: both((gradients) => layerNormRows(64, 128, gradients)),
    medium: [...both((gradients) => layerNormRows(8192, 160, gradients)), layerNormRows(2048, 512, false)],
    presets: [layerNormRows(384, 96, true), layerNormRows(768, 128, true)],
    large: both((gradients) => layerNormRows(16384, 512, gradients)),
  },
  {
    name: "adaln",
    natural: "4 sequences of n rows of n",
    at: (n) => both((gradients) => adaptive(4, n, n, gradients)),
    small: both((gradients) => adaptive(4, 16, 64, gradients)),
    medium: both((gradients) => adaptive(64, 64, 160, gradients)),
    presets: [adaptive(32, 12, 96, true), adaptive(64, 12, 128, true)],
    large: both((gradients) => adaptive(128, 64, 512, gradients)),
  },
  {
    name: "group-norm",
    natural: "a picture of n × n with 64 channels",
    at: (n) => both((gradients) => groups(1, n, 64, gradients)),
    small: both((gradients) => groups(2, 8, 32, gradients)),
    medium: both((gradients) => groups(16, 16, 128, gradients)),
    presets: [
      groups(16, 16, 24, true),
      groups(16, 8, 24, true),
      groups(16, 8, 48, true),
      groups(32, 32, 32, true),
      groups(32, 16, 64, true),
      groups(32, 8, 64, true),
      groups(32, 8, 128, true),
    ],
    large: both((gradients) => groups(16, 64, 128, gradients)),
  },
];
