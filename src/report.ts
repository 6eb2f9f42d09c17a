/**
 * Display of a run, `mc-diffusion/report`: its log, curves, durations. Nothing here needs Node.
 *
 * @module mc-diffusion/report
 */

export { type LogEntry, RunFolder } from "./io/run-folder.js";
export { formatDuration } from "./report/duration.js";
export { type ChartOptions, lineChart, type Series } from "./report/plot.js";
