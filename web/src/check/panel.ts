/** The check of the GPU in this browser: the phases of `npm run gpu-check`, each in a worker. Loaded when its button is pressed. */

import type { News, Outcome } from "../../../test/gpu-check/phase.js";
import { fileName, jsonOf, pageOf, reportOf, summaryOf } from "../../../test/gpu-check/report.js";
import { type PhaseResult, runCheck, type Start } from "../../../test/gpu-check/schedule.js";
import { button, download, h } from "../dom.js";

const start: Start = (order, onNews) => {
  const worker = new Worker(new URL("check/gpu-check/worker.js", document.baseURI), { type: "module" });
  let stop = () => {};
  const done = new Promise<Outcome>((resolve, reject) => {
    stop = () => reject(new Error("it was stopped"));
    worker.addEventListener("message", ({ data }: MessageEvent<News>) => {
      if (data.type === "outcome") resolve(data.outcome);
      else onNews(data);
    });
    worker.addEventListener("error", ({ message }) =>
      reject(new Error(message || "the worker did not start")),
    );
    worker.postMessage(order);
  });
  const ended = () => worker.terminate();
  done.then(ended, ended);
  return { done, stop };
};

/** Options that a person chooses. */
export interface PageCheckOptions {
  readonly minutes: number;
  readonly only?: readonly PhaseResult["name"][];
}

/** Runs the check and shows it in `panel`: a row for each phase, then links to the two files. Rejects if `signal` aborts it. */
export async function check(
  panel: HTMLElement,
  options: PageCheckOptions,
  signal: AbortSignal,
): Promise<void> {
  const now = h("p", { class: "quiet", role: "status" }, "Opening the GPU …");
  const rows = h("tbody");
  const table = h(
    "table",
    {},
    h(
      "thead",
      {},
      h("tr", {}, ...["phase", "result", "s", "note"].map((name) => h("th", { class: "name" }, name))),
    ),
    rows,
  );
  panel.replaceChildren(now, h("div", { class: "scroll" }, table));
  const began = performance.now();
  const results = await runCheck({
    ...options,
    start,
    signal,
    onProgress: (phase, share, text) => {
      now.textContent = `${phase}, ${Math.round(100 * share)} %: ${text}`;
    },
    onResult: ({ title, verdict, seconds, problems, cut, skipped }) => {
      const note = skipped ?? problems[0] ?? cut[0] ?? "";
      rows.append(
        h(
          "tr",
          {},
          h("td", { class: "name" }, title),
          h("td", { class: verdict === "failed" ? "name wrong" : "name" }, verdict),
          h("td", {}, seconds.toFixed(1)),
          h("td", { class: "name" }, note),
        ),
      );
    },
  });
  const report = reportOf(results, {
    date: new Date().toISOString(),
    version: "in the page",
    runtime: navigator.userAgent,
    seconds: (performance.now() - began) / 1000,
  });
  now.textContent = `${summaryOf(report)}.`;
  const name = fileName(report);
  panel.append(
    h(
      "div",
      { class: "row" },
      button("Save the page", () =>
        download(`${name}.html`, new Blob([pageOf(report)], { type: "text/html" })),
      ),
      button("Save the JSON file", () =>
        download(`${name}.json`, new Blob([jsonOf(report)], { type: "application/json" })),
      ),
    ),
  );
  panel.dataset.finished = "true";
}
