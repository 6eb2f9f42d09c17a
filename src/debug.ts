/** Debug modes and the profiler, `mc-diffusion/debug`: apart from the other entries, so that no page downloads them unasked. */

export { checkFinite } from "./gpu/finite-check.js";
export { poison } from "./gpu/poison.js";
export { profile, timeline } from "./gpu/profiler.js";
