/** Debug modes and the profiler, `mc-diffusion/debug`: apart from the other entries, so that no page downloads them unasked. */

export { checkFinite } from "./engine/gpu/finite-check.js";
export { poison } from "./engine/gpu/poison.js";
export { profile, timeline } from "./engine/gpu/profiler.js";
