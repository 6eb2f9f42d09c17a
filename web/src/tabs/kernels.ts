/** The Kernels tab: benchmarks of every kernel, measured in this browser. */

import { families } from "../../../kernels-bench/cases.js";
import { factsOf, sectionsOf } from "../../../kernels-bench/cases-page.js";
import { phases } from "../../../test/gpu-check/plan.js";
import type { App } from "../app.js";
import { button, field, h } from "../dom.js";
import type { News, Order, Report } from "../kernels/messages.js";
import { Messages } from "../messages.js";
import { sentence } from "../sentence.js";

export function mount(panel: HTMLElement, _app: App): void {
  new KernelsTab(panel);
}

class KernelsTab {
  private readonly panel: HTMLElement;
  private worker: Worker | null = null;
  private report: Report | null = null;
  private readonly family = h("select", {}, h("option", { value: "" }, "all kernels"));
  private readonly sizes = h("input", { type: "text", value: "default", list: "bench-sizes", size: 14 });
  private readonly check = h("input", { type: "checkbox" });
  private readonly start = button("Measure", () => this.begin(), { class: "primary" });
  private readonly cancel = button("Cancel", () => this.order({ type: "cancel" }));
  private readonly copy = button("Copy as JSON", () => void this.copyReport());
  private readonly status = h("p", { role: "status", class: "quiet" });
  private readonly problems = h("div");
  private readonly messages = new Messages(this.problems);
  private readonly result = h("div", { class: "bench" });
  private readonly phase = h("select", {}, h("option", { value: "" }, "all"));
  private readonly minutes = h("input", { type: "number", value: "8", min: 1, max: 120, size: 4 });
  private readonly checkGpu = button("Check this GPU", () => void this.checkThisGpu());
  private readonly endCheck = button("End the check", () => this.checking?.abort(), { hidden: true });
  private readonly checked = h("div", { class: "bench", id: "gpu-check" });
  private checking: AbortController | null = null;

  constructor(panel: HTMLElement) {
    this.panel = panel;
    for (const { name } of families) this.family.append(h("option", { value: name }, name));
    this.family.value = "matmul";
    for (const { name, title } of phases) this.phase.append(h("option", { value: name }, title));
    panel.append(
      h(
        "p",
        {},
        "Times the engine’s kernels in this browser and compares them with two ceilings measured in the same run: multiply-adds in registers, and a copy. Each sample repeats the work for about 40 ms, so that the browser’s coarse clock does not matter. The measurement runs in a worker, so the page stays responsive. Other pages and programs that use the GPU disturb it.",
      ),
      h(
        "div",
        { class: "row" },
        field("Kernels", this.family),
        field("Sizes", this.sizes),
        h(
          "datalist",
          { id: "bench-sizes" },
          ...["small", "default", "large", "64,256,1024"].map((value) => h("option", { value })),
        ),
        h("label", { class: "field" }, this.check, h("span", {}, "check results against float64")),
      ),
      h("div", { class: "row" }, this.start, this.cancel, this.copy),
      this.problems,
      this.status,
      this.result,
      h("h2", {}, "Check this GPU"),
      h(
        "p",
        {},
        "Runs the project’s tests of kernels and gradients, looks for races, trains and compares with stored losses, measures and tunes. Writes one JSON file and one page, which tell what this GPU and browser did; to be sent to the project by whoever wants to. The time is that of a GPU: on an adapter that computes on the CPU, parts are left out.",
      ),
      h(
        "div",
        { class: "row" },
        field("Phases", this.phase),
        field("Minutes", this.minutes),
        this.checkGpu,
        this.endCheck,
      ),
      this.checked,
    );
    this.result.addEventListener("click", (event) => this.follow(event));
    this.enter(false);
  }

  private async checkThisGpu(): Promise<void> {
    const abort = new AbortController();
    this.checking = abort;
    this.enterCheck(true);
    try {
      const { check } = await import("../check/panel.js");
      const minutes = Math.min(120, Math.max(1, Number(this.minutes.value) || 8));
      const only = phases.filter(({ name }) => name === this.phase.value).map(({ name }) => name);
      await check(this.checked, { minutes, ...(only.length > 0 ? { only } : {}) }, abort.signal);
      this.messages.over("check");
    } catch (error) {
      if (abort.signal.aborted)
        this.checked.replaceChildren(h("p", { class: "quiet" }, "The check was ended."));
      else this.messages.show("check", sentence(error), () => this.checkThisGpu());
    } finally {
      this.checking = null;
      this.enterCheck(false);
    }
  }

  /** The two measurements would disturb each other: one runs at a time. */
  private enterCheck(running: boolean): void {
    this.checkGpu.disabled = running;
    this.start.disabled = running;
    this.endCheck.hidden = !running;
    this.panel.dataset.check = running ? "running" : "idle";
  }

  private enter(running: boolean): void {
    this.start.disabled = running;
    this.checkGpu.disabled = running;
    this.cancel.hidden = !running;
    this.copy.hidden = this.report === null;
    this.panel.dataset.state = running ? "running" : "idle";
  }

  private order(order: Order): void {
    if (!this.worker) {
      this.worker = new Worker(new URL("kernels-worker.js", document.baseURI), { type: "module" });
      this.worker.addEventListener("message", (event: MessageEvent<News>) => this.hear(event.data));
      this.worker.addEventListener("error", (event) => {
        // A worker that did not start never will: the next order starts another one.
        this.worker?.terminate();
        this.worker = null;
        this.fail(event.message || "the worker did not start");
      });
    }
    this.worker.postMessage(order);
  }

  private begin(): void {
    this.status.textContent = "Opening the GPU …";
    this.enter(true);
    const { family, sizes, check } = this;
    this.order({
      type: "measure",
      filter: family.value || undefined,
      sizes: sizes.value.trim(),
      check: check.checked,
    });
  }

  private hear(news: News): void {
    switch (news.type) {
      case "progress":
        this.messages.over("bench");
        if (news.text !== "") this.status.textContent = `${sentence(news.text).slice(0, -1)} …`;
        break;
      case "report":
        this.report = news.report;
        this.messages.over("clipboard");
        this.status.textContent = "Measured.";
        this.show(news.report);
        this.enter(false);
        break;
      case "cancelled":
        this.status.textContent = "Cancelled.";
        this.enter(false);
        break;
      case "failed":
        this.fail(news.message);
        break;
    }
  }

  private fail(message: string): void {
    this.status.textContent = "";
    this.messages.show("bench", sentence(message));
    this.enter(false);
  }

  private show(report: Report): void {
    const facts = Object.entries(factsOf(report)).map(([name, value]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, value)),
    );
    // The page's security policy forbids styles in markup: set the bench's styles (colours, bar lengths) by script.
    const markup = sectionsOf(report).join("").replaceAll(' style="', ' data-style="');
    const sections = document.createElement("template");
    sections.innerHTML = markup;
    for (const element of sections.content.querySelectorAll<HTMLElement | SVGElement>("[data-style]")) {
      element.style.cssText = element.dataset.style ?? "";
    }
    this.result.replaceChildren(h("dl", { class: "facts" }, ...facts), sections.content);
  }

  /** Scrolls from a point of the roofline to its row. A plain link would switch tabs, which are named in the URL after #. */
  private follow(event: Event): void {
    const link = (event.target as Element).closest("a");
    const name = link?.getAttribute("href");
    if (!name?.startsWith("#")) return;
    event.preventDefault();
    for (const row of this.result.querySelectorAll("tr.marked")) row.classList.remove("marked");
    const row = this.result.querySelector<HTMLElement>(name);
    row?.classList.add("marked");
    row?.scrollIntoView({ block: "center" });
  }

  private async copyReport(): Promise<void> {
    const text = `${JSON.stringify(this.report, null, 2)}\n`;
    try {
      await navigator.clipboard.writeText(text);
      this.status.textContent = "Copied.";
      this.messages.over("clipboard");
    } catch {
      this.messages.show("clipboard", "The browser does not let this page use the clipboard.");
    }
  }
}
