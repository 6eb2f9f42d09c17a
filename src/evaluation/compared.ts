/** Guidance settings that are compared with each other on the same pictures and seeds. */

import { type GuidanceMethod, guidanceMethods } from "../diffusion/guidance.js";
import { UserError } from "../platform/errors.js";

/** A guidance setting to compare with others. Omitted options are taken from the model's configuration. */
export interface ComparedGuidance {
  /** Its name in tables: "mcs:1.5". */
  readonly name: string;
  readonly guidance: GuidanceMethod;
  readonly scale?: number;
  readonly maskRate?: number;
}

/**
 * Reads "none,cfg:1.25,mcs:2:0.5": method, scale ω, and for mcs the share of the positions masked. Throws a `UserError`
 * that names the entry.
 */
export function parseCompared(text: string): ComparedGuidance[] {
  const entries = text.split(",").map((entry) => entry.trim());
  const compared = entries.map((name): ComparedGuidance => {
    const [method, ...numbers] = name.split(":");
    const guidance = guidanceMethods.find((known) => known === method);
    const [scale, maskRate] = numbers.map((number) => (number.trim() === "" ? Number.NaN : Number(number)));
    const allowed = guidance === "none" ? 0 : guidance === "cfg" ? 1 : 2;
    const right =
      guidance !== undefined &&
      numbers.length <= allowed &&
      (scale === undefined || Number.isFinite(scale)) &&
      (maskRate === undefined || (maskRate >= 0 && maskRate <= 1));
    if (!right) {
      throw new UserError(
        `"${name}" should be none, cfg:SCALE, or mcs or mcs-printed with :SCALE or :SCALE:SHARE, as in none,cfg:1.25,mcs:2:0.5`,
        2,
      );
    }
    return {
      name,
      guidance,
      ...(scale === undefined ? {} : { scale }),
      ...(maskRate === undefined ? {} : { maskRate }),
    };
  });
  const twice = entries.find((name, i) => entries.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`"${twice}" is compared with itself`, 2);
  return compared;
}
