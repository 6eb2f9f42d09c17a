/** What the engines are compared by. Types only; nothing runs here. */

import type { Random } from "../random.js";
import type { BlockData } from "./block.js";

type Sizes<Names extends string> = Readonly<Record<Names, number>>;

interface Attention {
  size: Sizes<"batch" | "heads" | "queries" | "keys" | "width">;
  data: Record<"q" | "k" | "v" | "dy", Float32Array>;
}

/** The size and the plain arrays that each kind of case has. */
interface Kinds {
  matmul: { size: Sizes<"m" | "k" | "n" | "ta" | "tb">; data: Record<"a" | "b", Float32Array> };
  selfAttention: Attention;
  crossAttention: Attention;
  crossEntropy: { size: Sizes<"rows" | "width">; data: { logits: Float32Array; targets: Uint32Array } };
  divergence: { size: Sizes<"rows" | "width">; data: { logits: Float32Array } & NoisedIds };
  softmax: { size: Sizes<"rows" | "width">; data: { x: Float32Array } };
  layerNorm: { size: Sizes<"rows" | "width">; data: Record<"x" | "weight" | "bias", Float32Array> };
  adaLN: { size: Sizes<"batch" | "length" | "width">; data: Record<"x" | "scaleShift", Float32Array> };
  groupNorm: {
    size: Sizes<"batch" | "side" | "channels" | "groups">;
    data: Record<"x" | "weight" | "bias", Float32Array>;
  };
  gather: { size: Sizes<"count" | "rows" | "width">; data: { table: Float32Array; ids: Uint32Array } };
  nearest: { size: Sizes<"rows" | "codes" | "width">; data: Record<"z" | "codes", Float32Array> };
  conv2d: {
    size: Sizes<"batch" | "side" | "inputs" | "outputs">;
    data: Record<"x" | "weight" | "bias" | "dy", Float32Array>;
  };
  block: { size: Sizes<"batch" | "length" | "conditionLength" | "dim" | "heads">; data: BlockData };
}

/** Tokens, noised tokens, and a time for every few of them. */
export type NoisedIds = Record<"x0" | "xt" | "t", Uint32Array>;

export type Kind = keyof Kinds;
export type Data<K extends Kind> = Kinds[K]["data"];

export interface PeerCase<K extends Kind = Kind> {
  /** What `--vs … FAMILY` chooses. */
  family: string;
  name: string;
  /** The function of an engine that prepares it. */
  kind: K;
  size: Kinds[K]["size"];
  gradients: boolean;
  /** The least that the time of the better peer over ours should be. */
  bar: number;
  /** Largest difference from our result, over the largest magnitude in it. */
  tolerance: number;
  data(random: Random): Data<K> | Promise<Data<K>>;
}

/** One case on one engine. */
export interface Runner {
  /** Does the case so many times and waits until the device is idle. */
  sample(calls: number): Promise<void>;
  /** Of one call; for a training step, of its first steps. */
  results(): Promise<ArrayLike<number>[]>;
  dispose(): void;
}

/** How an engine prepares each kind of case; a whole training step brings its own way to run. */
export type Makers<Problem, Extra extends unknown[] = []> = {
  readonly [K in Kind]: (
    entry: PeerCase<K>,
    data: Data<K>,
    ...extra: Extra
  ) => K extends "block" ? Runner | Promise<Runner> : Problem;
};

export interface Engine {
  name: string;
  /** Throws where the engine cannot do the case. */
  prepare<K extends Kind>(entry: PeerCase<K>, data: Data<K>): Promise<Runner>;
  /** Waits, and gives memory back where the engine can. */
  trim(): Promise<void>;
  /** The first WebGPU error since the last call. */
  complaint?: () => string | null;
}
