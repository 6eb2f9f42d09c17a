/** The program of the page of runs: asks for what is new, and draws the view that the URL names. */

import { curvesTab } from "./curves-tab.js";
import { byId, element, replaceChanged } from "./dom.js";
import { filterProblem } from "./filter.js";
import type { CurvesAnswer, RunListing, RunsAnswer } from "./listing.js";
import { NotePanel, stageText } from "./notes-tab.js";
import { samplesTab } from "./samples-tab.js";
import { Session, styleOf } from "./session.js";
import { scoresTab, settingsTab, swatch } from "./tables-tab.js";
import { ORDERS, type Tab, type View, viewOfHash, viewToHash } from "./view.js";

/** Milliseconds between two questions, and while logs are being read. */
const [INTERVAL, HURRY] = [2000, 300];
/** Runs in the list at first; the rest at a click. */
const LISTED = 200;

const session = new Session();
const panels = new Map<string, NotePanel>();
let isConnected = false;
let listed = LISTED;
/** What the panel shows; drawing the same again would take the reader's selection. */
let drawn = "";

const filter = byId<HTMLInputElement>("filter");
const order = byId<HTMLSelectElement>("order");

/** Changes the view and the URL. A step back in the history undoes it, but for letters of the filter. */
function change(view: Partial<View>): void {
  const replaces = Object.keys(view).every((key) => key === "filter");
  session.view = { ...session.view, ...view };
  const address = `#${viewToHash(session.view)}`;
  if (replaces) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  draw();
  void readCurves();
}

function draw(): void {
  const { view } = session;
  if (filter.value !== view.filter) filter.value = view.filter;
  order.value = view.order;
  for (const tab of document.querySelectorAll<HTMLElement>("[role=tab]")) {
    const isChosen = tab.dataset.tab === view.tab;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
  }
  byId("panel").setAttribute("aria-labelledby", `tab-${view.tab}`);
  drawList();
  drawPanel();
}

function drawList(): void {
  const shown = session.shown();
  const all = [...session.listings.values()];
  const running = all.filter(({ state }) => state === "running").length;
  const unread = all.filter(({ isRead }) => !isRead).length;
  byId("status").textContent = !isConnected
    ? "The server does not answer: is runs.js still running?"
    : `${all.length} runs, ${shown.length} shown, ${running} running${unread > 0 ? `, reading ${unread} logs` : ""}`;
  byId("problem").textContent =
    filterProblem(all, session.view.filter) ??
    (all.length > 0 && shown.length === 0 ? "No run matches the filter." : "");
  const chosen = session.chosenIds;
  const focused =
    document.activeElement instanceof HTMLInputElement ? document.activeElement.dataset.run : null;
  byId("list").replaceChildren(
    ...shown.slice(0, listed).map((run) => entry(run, chosen.indexOf(run.id))),
    ...(shown.length > listed
      ? [
          element(
            "li",
            {},
            element("button", { type: "button", onclick: showAll }, `${shown.length - listed} more`),
          ),
        ]
      : []),
  );
  if (focused != null)
    [...byId("list").querySelectorAll("input")].find(({ dataset }) => dataset.run === focused)?.focus();
}

function showAll(): void {
  listed = Number.POSITIVE_INFINITY;
  drawList();
}

/** A run in the list; `place` is that among the chosen ones, −1 if it is not. */
function entry(run: RunListing, place: number): HTMLElement {
  const { id, state, config, stages, problems, note } = run;
  const lines = [
    `${config.model ?? "?"} · ${state}`,
    ...stages.map(stageText),
    ...(note.text === "" ? [] : [note.text.split("\n")[0]!]),
  ];
  return element(
    "li",
    {},
    element(
      "label",
      {},
      element("input", {
        type: "checkbox",
        checked: place >= 0,
        "data-run": id,
        onchange: () => toggle(id),
      }),
      swatch(place < 0 ? null : styleOf(place)),
      element("span", {}, id),
      ...lines.map((line) => element("span", { class: "quiet" }, line)),
      ...(problems.length > 0
        ? [
            element(
              "span",
              { class: "quiet warn", title: problems.join("\n") },
              `${problems.length} problem${problems.length > 1 ? "s" : ""}: see Notes`,
            ),
          ]
        : []),
    ),
  );
}

function toggle(id: string): void {
  const chosen = session.chosenIds;
  change({ runs: chosen.includes(id) ? chosen.filter((other) => other !== id) : [...chosen, id] });
}

function drawPanel(): void {
  const { view } = session;
  const panel = byId("panel");
  if (view.tab === "notes") {
    drawNotes(panel);
    return;
  }
  const runs = session.chosen().map(({ run }) => run);
  const tabs: Record<Exclude<Tab, "notes">, { data: unknown; nodes: () => Node[] }> = {
    curves: {
      data: runs.map(({ id, config }) => [id, config.model, session.curvesKey(id)]),
      nodes: () => curvesTab(session, change),
    },
    settings: {
      data: runs.map(({ config, data }) => [config, data]),
      nodes: () => settingsTab(session, change),
    },
    samples: { data: runs.map(({ samples }) => samples), nodes: () => samplesTab(session, change) },
    scores: {
      data: runs.map(({ scores, stages }) => [scores, stages]),
      nodes: () => scoresTab(session, change),
    },
  };
  const { data, nodes } = tabs[view.tab];
  const key = JSON.stringify([view, session.chosenIds, data]);
  if (key === drawn) return;
  drawn = key;
  replaceChanged(panel, nodes());
}

function drawNotes(panel: HTMLElement): void {
  drawn = "";
  const chosen = session.chosen();
  const articles = chosen.map((one) => {
    const { id } = one.run;
    const note = panels.get(id) ?? new NotePanel(id);
    panels.set(id, note);
    note.show(one);
    return note.element;
  });
  const wanted = articles.length > 0 ? articles : [element("p", {}, "Choose runs on the left.")];
  replaceChanged(panel, wanted);
}

/** Reads the curves that the view lacks, and draws them as they come. */
async function readCurves(): Promise<void> {
  if (session.view.tab !== "curves") return;
  await Promise.all(
    session.missingCurves().map(async (id) => {
      const address = session.curvesAddress(id);
      const response = await fetch(address);
      // The view may have changed meanwhile.
      if (response.ok && address === session.curvesAddress(id))
        session.keepCurves(address, (await response.json()) as CurvesAnswer);
    }),
  ).catch(() => {});
  // A range that is being dragged over is not replaced.
  if (document.querySelector(".range:not([hidden])") === null) drawPanel();
}

async function ask(): Promise<void> {
  const wasConnected = isConnected;
  let isNew = false;
  try {
    const response = await fetch(`runs?since=${session.revision}`);
    isConnected = response.ok;
    if (response.ok) isNew = session.take((await response.json()) as RunsAnswer);
  } catch {
    isConnected = false;
  }
  if (isNew || isConnected !== wasConnected) draw();
  await readCurves();
  const isReading = [...session.listings.values()].some(({ isRead }) => !isRead);
  setTimeout(next, isReading && isConnected ? HURRY : INTERVAL);
}

/** Asks, unless nobody is looking. */
function next(): void {
  if (document.hidden) document.addEventListener("visibilitychange", next, { once: true });
  else void ask();
}

filter.addEventListener("input", () => change({ filter: filter.value }));
order.addEventListener("change", () => change({ order: ORDERS.find((one) => one === order.value)! }));
byId("choose-shown").addEventListener("click", () => change({ runs: session.shown().map(({ id }) => id) }));
byId("choose-none").addEventListener("click", () => change({ runs: [] }));
byId("copy").addEventListener("click", () => {
  // A link names the runs, whichever are the last ones when somebody opens it.
  const address = new URL(location.href);
  address.hash = viewToHash({ ...session.view, runs: session.chosenIds });
  const tell = (text: string) => {
    byId("copy").textContent = text;
    setTimeout(() => (byId("copy").textContent = "Copy link"), 1500);
  };
  navigator.clipboard.writeText(address.href).then(
    () => tell("Copied"),
    () => tell("Copy the address instead"),
  );
});
for (const tab of document.querySelectorAll<HTMLElement>("[role=tab]")) {
  tab.addEventListener("click", () => change({ tab: tab.dataset.tab as Tab }));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const tabs = [...document.querySelectorAll<HTMLElement>("[role=tab]")];
    const to = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length]!;
    to.focus();
    to.click();
  });
}
addEventListener("popstate", () => {
  session.view = viewOfHash(location.hash);
  draw();
  void readCurves();
});

session.view = viewOfHash(location.hash);
next();
