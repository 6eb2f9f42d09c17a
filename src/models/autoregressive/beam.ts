/** One step of generating captions word by word (shaders/generation/beam.wgsl). */

import type { Gpu } from "../../engine/gpu/gpu.js";
import * as kernels from "../../engine/gpu/more-kernels.generated.js";
import { topK } from "../../engine/ops/top-k.js";
import { empty, fromArray, type Tensor } from "../../engine/tensor/tensor.js";

/** What stays the same from step to step. */
export interface BeamShape {
  /** P pictures. */
  pictures: number;
  /** W beams of each. */
  beams: number;
  /** M */
  vocabulary: number;
  /** L */
  length: number;
  endId: number;
  /** Parts of the network's batch: 2 under guidance, else 1. */
  branches: number;
  /** α: captions are ranked by log p / (number of words)^α. */
  lengthPower: number;
}

/** The captions so far. */
export interface BeamState {
  /** u32 [P·W, L + 2]: L words (M where none is yet), words with [END] once ended (else 0), the bits of the sum of log p. */
  state: Tensor<"u32">;
  /** u32 [branches·P·W]: the last word of each row of the network's batch; M before the first. */
  inputs: Tensor<"u32">;
  /** u32 [branches·P·W]: the row of the batch that each row goes on from. */
  parents: Tensor<"u32">;
}

/** Log p of the beams that no picture has at first: far below any caption's, and finite. */
const unused = new Uint32Array(Float32Array.of(-3e38).buffer)[0]!;

/** The start: no words. Only the first beam of a picture is in use. */
export function startBeams(gpu: Gpu, shape: BeamShape): BeamState {
  const { pictures, beams, vocabulary, length, branches } = shape;
  const rows = pictures * beams;
  const state = new Uint32Array(rows * (length + 2));
  for (let row = 0; row < rows; row++) {
    state.fill(vocabulary, row * (length + 2), row * (length + 2) + length);
    if (row % beams !== 0) state[(row + 1) * (length + 2) - 1] = unused;
  }
  const every = (value: (row: number) => number) =>
    Uint32Array.from({ length: branches * rows }, (_, row) => value(row));
  return {
    state: fromArray(gpu, state, [rows, length + 2], "u32", "beams"),
    inputs: fromArray(
      gpu,
      every(() => vocabulary),
      [branches * rows],
      "u32",
      "words",
    ),
    parents: fromArray(
      gpu,
      every((row) => row),
      [branches * rows],
      "u32",
      "parents",
    ),
  };
}

function paramsOf(shape: BeamShape, place: number) {
  const { pictures, beams, vocabulary: width, length, endId: end, branches, lengthPower: alpha } = shape;
  return { rows: pictures * beams, beams, width, length, place, end, branches, alpha };
}

/** The continuations of the W best candidates of each picture, u32 [P, W], best first; log p [P·W, M] of the next word. */
export function bestContinuations(
  shape: BeamShape,
  place: number,
  logProbs: Tensor,
  { state }: BeamState,
): Tensor<"u32"> {
  const { pictures, beams, vocabulary } = shape;
  const { gpu } = logProbs;
  return gpu.scope(() => {
    const kernel = kernels.beam.extend;
    const candidates = empty(gpu, [pictures, beams * vocabulary], "f32", "candidates");
    gpu.run(kernel, { log_probs: logProbs, state, candidates }, paramsOf(shape, place), {
      groups: gpu.groups1d(candidates.size, gpu.tunables(kernel).WORKGROUP),
    });
    return topK(candidates, beams).indices;
  });
}

/** Continues the captions with `picks` [P, W]: beam · M + word. Beams that have ended stay as they are. */
export function chooseContinuations(
  shape: BeamShape,
  place: number,
  logProbs: Tensor,
  { state }: BeamState,
  picks: Tensor<"u32">,
): BeamState {
  const { gpu } = logProbs;
  const rows = shape.pictures * shape.beams;
  const kernel = kernels.beam.choose;
  const next = empty(gpu, state.shape, "u32", "beams");
  const inputs = empty(gpu, [shape.branches * rows], "u32", "words");
  const parents = empty(gpu, [shape.branches * rows], "u32", "parents");
  gpu.run(
    kernel,
    { log_probs: logProbs, state, picks, next_state: next, inputs, parents },
    paramsOf(shape, place),
    { groups: gpu.groups1d(rows, gpu.tunables(kernel).WORKGROUP) },
  );
  return { state: next, inputs, parents };
}

/** The best caption of each picture, u32 [P, L], M where there is no word yet. */
export function bestCaptions({ pictures, beams, length }: BeamShape, { state }: BeamState): Tensor<"u32"> {
  return state
    .reshape([pictures, beams, length + 2])
    .slice(1, 0, 1)
    .slice(2, 0, length)
    .dense()
    .reshape([pictures, length]);
}
