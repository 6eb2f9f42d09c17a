/** The profile of training steps as one HTML page: timelines, memory curves, kernels. */

import { escapeXml } from "../dist/debug.js";
import { page } from "./page.js";
import { bytes, percent, significant } from "./report.js";
import { peakPlace } from "./step.js";
import { memoryChart, timelineChart } from "./step-charts.js";

/** @typedef {import("./step.js").StepProfile} StepProfile */

/**
 * @param {{ date: string, adapter: string, node: string, platform: string, preset: string, steps: readonly StepProfile[] }} report
 * @returns {string} HTML.
 */
export function stepPage({ date, adapter, node, platform, preset, steps }) {
  return page({
    title: "Profile of training steps",
    facts: {
      Adapter: adapter,
      Date: date.replace("T", " ").replace(/\..*/, " UTC"),
      Preset: preset,
      Node: `${node}, ${platform}`,
    },
    sections: steps.map(section),
  });
}

/** @param {StepProfile} profile */
function section(profile) {
  const { memory, timeline, kernels } = profile;
  const parts = [
    `<h2>${escapeXml(profile.stage)} step</h2>`,
    `<p>${escapeXml(profile.shape)}: ${significant(profile.ms)} ms (median of ${profile.steps}), of it ${significant(profile.encodeMs)} ms in JavaScript. ${profile.dispatches} dispatches, ${profile.submits} submits, ${profile.buffersCreated} buffers and ${profile.bindGroupsCreated} bind groups created per step after the warm-up.</p>`,
  ];
  if (timeline && kernels) {
    parts.push(
      `<h3>Timeline</h3>\n<figure>${timelineChart({ ...profile, timeline, kernels })}</figure>`,
      "<p>Each dispatch has a pass of its own while profiled, so the whole takes longer than a step that is not. Hover over a dispatch for its grid and the bytes it moves.</p>",
    );
  }
  parts.push(
    `<h3>Memory in use</h3>\n<figure>${memoryChart(profile)}</figure>`,
    `<p>${bytes(memory.peakBytes)} in use at the peak, ${escapeXml(peakPlace(memory))}. The captured work holds ${bytes(profile.capturedBytes)} in ${profile.capturedBuffers} buffers and uses at most ${bytes(profile.capturedPeakBytes)} of them at once.</p>`,
  );
  if (kernels) parts.push("<h3>Kernels</h3>", kernelTable(profile, kernels));
  return `<section>${parts.join("\n")}</section>`;
}

/**
 * @param {StepProfile} profile
 * @param {NonNullable<StepProfile["kernels"]>} kernels
 */
function kernelTable({ memory }, kernels) {
  const total = kernels.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const rows = kernels.map(({ kernel, dispatches, microseconds }) => {
    const moved = memory.dispatches
      .filter((dispatch) => dispatch.kernel === kernel)
      .reduce((sum, dispatch) => sum + dispatch.bytes, 0);
    const share = microseconds / total;
    return `<tr><td class="name">${escapeXml(kernel)}</td><td class="bar" style="--share:${(100 * share).toFixed(0)}%">${percent(share)}</td><td>${significant(microseconds / 1000)}</td><td>${dispatches}</td><td>${bytes(moved)}</td></tr>`;
  });
  return `<div class="scroll"><table><thead><tr><th class="name">kernel</th><th>share</th><th>ms</th><th>dispatches</th><th>moved</th></tr></thead><tbody>${rows.join("\n")}</tbody></table></div>`;
}
