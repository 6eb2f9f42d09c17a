/** What a configuration of the public implementation says of a VQGAN, compared with what its weights say. */

import { UserError } from "../../platform/errors.js";
import { isRecord, type JsonRecord } from "../../platform/json.js";
import type { VqganShape } from "./shape.js";

/** A configuration's part that describes the network. */
export interface VqganConfigFile {
  /** Side of the pictures that it was trained on; null if it does not say. */
  readonly resolution: number | null;
  /** `ddconfig`, with `n_embed` and `embed_dim` from beside it. */
  readonly entries: JsonRecord;
}

/** Finds the description in a parsed configuration: below `model.params`, below `params`, or at the top. Null if there is none. */
export function findConfig(record: JsonRecord): VqganConfigFile | null {
  const model = isRecord(record.model) ? record.model : {};
  for (const place of [model.params, record.params, record]) {
    if (!isRecord(place) || !isRecord(place.ddconfig)) continue;
    const { n_embed, embed_dim, ddconfig } = place;
    const entries = { ...ddconfig, n_embed, embed_dim } as JsonRecord;
    const { resolution } = entries;
    const known = typeof resolution === "number" && Number.isSafeInteger(resolution) && resolution > 0;
    return { resolution: known ? resolution : null, entries };
  }
  return null;
}

/**
 * Compares a configuration with the sizes that the weights have. Throws a `UserError` for sizes that differ: it is that of
 * another checkpoint. Returns sentences about levels of attention that differ: there the weights count.
 */
export function compareConfig(
  { entries, resolution }: VqganConfigFile,
  shape: VqganShape,
  names: { config: string; weights: string },
): string[] {
  const found: Record<string, unknown> = {
    ch: shape.channels,
    ch_mult: shape.multipliers,
    num_res_blocks: shape.resBlocks,
    z_channels: shape.zChannels,
    embed_dim: shape.embedDim,
    n_embed: shape.codes,
    in_channels: 3,
    out_ch: 3,
    double_z: false,
    resamp_with_conv: shape.resampleConvolution,
  };
  for (const [key, value] of Object.entries(found)) {
    const said = entries[key];
    if (said === undefined || said === null || JSON.stringify(said) === JSON.stringify(value)) continue;
    throw new UserError(
      `${names.config} says ${key}: ${JSON.stringify(said)}, and ${names.weights} has ${JSON.stringify(value)}: it describes another checkpoint`,
    );
  }
  const { attn_resolutions: resolutions } = entries;
  if (!Array.isArray(resolutions) || resolution === null) return [];
  const levels = shape.multipliers.flatMap((_, i) => (resolutions.includes(resolution / 2 ** i) ? [i] : []));
  if (levels.join() === shape.attention.join()) return [];
  const list = (of: readonly number[]) => (of.length === 0 ? "no level" : `levels ${of.join(", ")}`);
  return [
    `${names.config} puts attention at ${list(levels)}, ${names.weights} has it at ${list(shape.attention)}: the weights count`,
  ];
}
