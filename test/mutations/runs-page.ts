/** Deliberate mistakes in the page of runs, its server, and the event files of TensorBoard. */

import type { Mutation } from "./mutation.js";

const server = "cli/runs/runs-server.test.ts";
const follower = "cli/runs/log-follower.test.ts";
const columns = "report/runs/log-columns.test.ts";
const views = "report/runs/views.test.ts";
const events = "io/tensorboard.test.ts";

export const runsPage: readonly Mutation[] = [
  {
    name: "event files: the polynomial of zip instead of Castagnoli's",
    file: "src/io/tensorboard/records.ts",
    find: "crcTables(0x82f63b78)",
    replace: "crcTables(0xedb88320)",
    tests: [`${events} # CRC-32C`],
  },
  {
    name: "event files: the sum is rotated the other way",
    file: "src/io/tensorboard/records.ts",
    find: "((sum >>> 15) | (sum << 17))",
    replace: "((sum >>> 17) | (sum << 15))",
    tests: [`${events} # the mask`],
  },
  {
    name: "event files: whole numbers are cut at 32 bits",
    file: "src/io/tensorboard/protobuf.ts",
    find: "rest = Math.floor(rest / 128);",
    replace: "rest = rest >> 7;",
    tests: [`${events} # whole numbers`],
  },
  {
    name: "event files: the summary has the number of the graph",
    file: "src/io/tensorboard/events.ts",
    find: ".int(2, step).part(5, summary)",
    replace: ".int(2, step).part(4, summary)",
    tests: [`${events} # numbers of a step`],
  },
  {
    name: "event files: all steps have the time of the end",
    file: "src/cli/runs/tensorboard.ts",
    find: "let time = mtimeMs / 1000 - seconds;",
    replace: "let time = mtimeMs / 1000;",
    tests: ["commands/runs.test.ts # event files"],
  },
  {
    name: "curves: a column loses its highest point",
    file: "src/report/thin.ts",
    find: "if (values[i]! > values[high]!) high = i;",
    replace: "if (values[i]! < values[high]!) high = i;",
    tests: ["report/thin.test.ts # a thinned curve"],
  },
  {
    name: "curves: the average lags behind",
    file: "src/report/thin.ts",
    find: "pass(count - 1, -1, -1);",
    replace: "",
    tests: ["report/thin.test.ts # the average", "report/plot.test.ts # the moving average"],
  },
  {
    name: "curves: the thick line averages the drawn points only",
    file: "src/report/runs/log-columns.ts",
    find: "smooth: at(movingAverage(y, smoothingOf(y.length, share)))",
    replace:
      "smooth: [...movingAverage(curve.y.map((value) => value ?? NaN), smoothingOf(curve.y.length, share))]",
    tests: [`${columns} # the thick line`],
  },
  {
    name: "curves: time is of all stages together",
    file: "src/report/runs/log-columns.ts",
    find: "let stage = this.#stages.get(entry.stage);",
    replace: "let stage = [...this.#stages.values()][0];",
    tests: [`${columns} # each stage`],
  },
  {
    name: "logs: a line that is being written is taken for a damaged one",
    file: "src/cli/runs/log-follower.ts",
    find: "if (bytesRead < PART) return false;",
    replace: "",
    tests: [`${follower} # only what is new`],
  },
  {
    name: "logs: everything is read each time",
    file: "src/cli/runs/log-follower.ts",
    find: "const before = this.#offset;",
    replace: "this.#reset(); const before = this.#offset;",
    tests: [`${follower} # what was read`],
  },
  {
    name: "logs: one that a resume has replaced is read on",
    file: "src/cli/runs/log-follower.ts",
    find: "this.#file !== String(ino) || size < this.#offset",
    replace: "size < this.#offset",
    tests: [`${follower} # a log that a resume`],
  },
  {
    name: "logs: damaged lines are not counted",
    file: "src/cli/runs/log-follower.ts",
    find: "this.damaged++;",
    replace: "",
    tests: [`${follower} # damaged lines`],
  },
  {
    name: "runs: a question gets all runs",
    file: "src/cli/runs/run-store.ts",
    find: "listings.filter(({ revision }) => revision > since)",
    replace: "listings",
    tests: [`${server} # a question`],
  },
  {
    name: "runs: a run that is training counts as stopped",
    file: "src/platform/lock.ts",
    find: 'return isAlive(holder) ? "here" : null;',
    replace: "return null;",
    tests: [`${server} # a run is running`],
  },
  {
    name: "runs: a sample is any file that a question names",
    file: "src/cli/runs/runs-server.ts",
    find: 'run.listing!.samples.find(({ name }) => name === searchParams.get("name"))',
    replace: '{ name: searchParams.get("name") ?? "" }',
    tests: [`${server} # samples and reports`],
  },
  {
    name: "runs: all modules of dist are served",
    file: "src/cli/runs/runs-server.ts",
    find: "(?:report|io|platform|metrics|text)",
    replace: "(?:report|io|platform|metrics|text|cli)",
    tests: [`${server} # samples and reports`],
  },
  {
    name: "runs: any site may ask through its own name",
    file: "src/cli/local-server.ts",
    find: "if (!isLocal(request.headers.host))",
    replace: 'if (request.headers.host === "")',
    tests: [`${server} # it is closed`],
  },
  {
    name: "runs: any site may write notes",
    file: "src/cli/local-server.ts",
    find: "if (!isOwn(request))",
    replace: 'if (request.method === "")',
    tests: [`${server} # a note`],
  },
  {
    name: "notes: one that somebody else has changed is replaced",
    file: "src/cli/runs/run-files.ts",
    find: "if (present.version !== version && present.text !== text)",
    replace: 'if (present.version === "")',
    tests: [`${server} # a note`],
  },
  {
    name: "runs: a setting is found by any end of its name",
    file: "src/report/runs/filter.ts",
    find: "name.endsWith(`.",
    replace: "name.endsWith(`",
    tests: [`${views} # a filter`],
  },
  {
    name: "runs: a link forgets that no run is chosen",
    file: "src/report/runs/view.ts",
    find: 'if (view.runs?.length === 0) params.append("run", "");',
    replace: "",
    tests: [`${views} # a link`],
  },
  {
    name: "runs: colours move up where a run is gone",
    file: "src/report/runs/session.ts",
    find: "return run ? [{ run, style: styleOf(i) }] : [];",
    replace: "return run ? [{ run, style: styleOf([...this.listings.keys()].indexOf(id)) }] : [];",
    tests: [`${views} # the page's state`],
  },
  {
    name: "runs: settings that one run lacks count as equal",
    file: "src/report/runs/settings.ts",
    find: "new Set(values).size > 1",
    replace: "new Set(values.filter((value) => value !== null)).size > 1",
    tests: [`${views} # settings side by side`],
  },
  {
    name: "report: statistics of codes are told as losses",
    file: "src/report/quantities.ts",
    find: 'name.startsWith("losses.") && !CODE_STATISTICS.has(name)',
    replace: 'name.startsWith("losses.")',
    tests: ["report/report.test.ts # the page holds"],
  },
];
