/** The stored losses of the quick preset's first steps: their file, and how far another adapter's may be from them. */
import type { Stage } from "../../dist/training/trainer.js";

/** `quick-losses.json`, written by `write-losses.ts`. */
export interface StoredLosses {
  /** What it was recorded with, for people. */
  readonly recorded: string;
  /** Codes of the 512 training pictures after the recorded VQ-VAE steps, on which every decoder trains: base64 of a byte a code. */
  readonly codes: string;
  readonly stages: Readonly<Record<Stage, StoredStage>>;
}

export interface StoredStage {
  /** Total loss of each step. */
  readonly losses: readonly number[];
  /**
   * Largest difference from it, relative, that another way of rounding made at a step or before it: other kernels and another
   * software adapter, same program. It grows, as each step starts from the weights that the steps before have left.
   */
  readonly spread: readonly number[];
}

/** A GPU may differ by this many times as much as the adapters that were recorded do among themselves. */
const allowance = 8;
/** The least that is allowed, relative: float32 sums in another order. */
const least = 2e-5;

/** Steps that tell of gradients before anything can have flipped: their own spread counts. */
const firstSteps = 3;
/**
 * From then on the spread so many steps later counts. A code that lies between two vectors flips at one step here and at another
 * there, and each loss after it differs a little.
 */
const ahead = 50;

/** Largest relative difference that is allowed at each step. */
export const toleranceOf = ({ spread }: StoredStage): number[] =>
  spread.map((own, i) => {
    const value = i < firstSteps ? own : spread[Math.min(spread.length - 1, i + ahead)]!;
    return Math.max(least, allowance * value);
  });

export interface Comparison {
  /** Relative difference of each step. */
  readonly differences: readonly number[];
  /** The first step outside its tolerance, counted from 1; null if there is none. */
  readonly firstWrong: number | null;
  /** The largest difference in units of its tolerance. */
  readonly share: number;
}

/** Compares the losses of the first steps, as many as there are, with the stored ones. */
export function compareLosses(losses: readonly number[], stored: StoredStage): Comparison {
  const tolerance = toleranceOf(stored);
  const differences = losses.map((loss, i) => Math.abs(loss / stored.losses[i]! - 1));
  const shares = differences.map((difference, i) =>
    Number.isFinite(difference) ? difference / tolerance[i]! : Number.POSITIVE_INFINITY,
  );
  const wrong = shares.findIndex((share) => share > 1);
  return { differences, firstWrong: wrong < 0 ? null : wrong + 1, share: Math.max(0, ...shares) };
}

/**
 * A stored stage whose spread also holds the differences of `losses`, which may be those of fewer steps: from the last of them on it
 * stays.
 */
export function widened(stored: StoredStage, losses: readonly number[]): StoredStage {
  let most = 0;
  const spread = stored.spread.map((value, i) => {
    if (i < losses.length) most = Math.max(most, Math.abs(losses[i]! / stored.losses[i]! - 1));
    return Number(Math.max(value, most).toPrecision(3));
  });
  return { ...stored, spread };
}

/** The stored codes, one number a code. */
export const storedCodes = ({ codes }: StoredLosses): Uint32Array =>
  Uint32Array.from(atob(codes), (byte) => byte.charCodeAt(0));
