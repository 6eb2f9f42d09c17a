/** Memory in use over the dispatches of captured work, by label, as the allocator accounts for it while recording. */

import { at } from "./numbers.js";
import { trafficCounter } from "./traffic.js";

/**
 * @typedef {object} RecordedDispatch
 * @property {string} kernel
 * @property {readonly number[]} groups Workgroups in x, y and z.
 * @property {number} bytes Moved, see traffic.js.
 * @property {number} liveBytes In use when it is recorded.
 *
 * @typedef {object} MemoryCurve
 * @property {number} peakBytes The most in use at once.
 * @property {number} peakAt Dispatches recorded before the peak.
 * @property {[label: string, bytes: number][]} peakByLabel Largest first.
 * @property {{ label: string, bytes: number[] }[]} byLabel Bytes at each dispatch, of the largest labels at the peak and of the rest.
 * @property {RecordedDispatch[]} dispatches
 */

/** Labels with a curve of their own. */
const shown = 7;

/** Label of all others together. */
export const rest = "others";

/**
 * An observer that follows dispatches and memory, from what is in use before.
 * @param {readonly [label: string, bytes: number][]} atStart
 */
export function memoryRecorder(atStart) {
  const live = new Map(atStart);
  const count = trafficCounter();
  let total = atStart.reduce((sum, [, bytes]) => sum + bytes, 0);
  let peakBytes = total;
  let peakAt = 0;
  let atPeak = new Map(live);
  /** @type {RecordedDispatch[]} */
  const dispatches = [];
  /** @type {Map<string, number>[]} */
  const moments = [];
  return {
    /** @type {import("../dist/debug.js").Observer} */
    observer: {
      memory(label, bytes) {
        total += bytes;
        live.set(label, (live.get(label) ?? 0) + bytes);
        if (total <= peakBytes) return;
        peakBytes = total;
        peakAt = dispatches.length;
        atPeak = new Map(live);
      },
      dispatch(dispatch, params, variant) {
        dispatches.push({
          kernel: dispatch.pipeline.kernel.spec.name,
          groups: dispatch.groups,
          bytes: count(dispatch, params, variant),
          liveBytes: total,
        });
        moments.push(new Map(live));
      },
    },
    /** @returns {MemoryCurve} */
    curve() {
      const peakByLabel = [...atPeak].filter(([, bytes]) => bytes > 0).sort((a, b) => b[1] - a[1]);
      const labels = peakByLabel.slice(0, shown).map(([label]) => label);
      const byLabel = labels.map((label) => ({
        label,
        bytes: moments.map((moment) => moment.get(label) ?? 0),
      }));
      const others = dispatches.map(
        ({ liveBytes }, i) => liveBytes - byLabel.reduce((sum, { bytes }) => sum + at(bytes, i), 0),
      );
      if (others.some((bytes) => bytes > 0)) byLabel.push({ label: rest, bytes: others });
      return { peakBytes, peakAt, peakByLabel, byLabel, dispatches };
    },
  };
}
