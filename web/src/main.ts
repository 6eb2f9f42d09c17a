/** The shell of the page: tabs, the status line, messages, facts. */

import { App, shippedWeights } from "./app.js";
import { readLink } from "./caption/link.js";
import { byId, h } from "./dom.js";
import { Messages, StatusLine } from "./messages.js";
import { loadGallery } from "./open-gallery.js";
import { sentence } from "./sentence.js";
import { tabs } from "./tabs.js";

const statusLine = byId("status");
const statusText = byId("status-text");
const statusProgress = byId("status-progress") as HTMLProgressElement;
const facts = byId("facts");
const panels = byId("panels");

const messages = new Messages(byId("errors"));
const status = new StatusLine((text, progress) => {
  statusLine.hidden = text === "";
  statusText.textContent = text;
  statusProgress.hidden = progress === undefined;
  if (progress !== undefined) statusProgress.value = progress;
});
const app = new App({
  messages,
  status,
  facts(text, bytes) {
    facts.textContent = text;
    facts.dataset.bytes = String(bytes);
  },
});

/** The tabs' buttons and panels by id. A panel is filled when it is first opened. */
const parts = new Map(
  tabs.map(({ id, title, load }) => {
    const tab = h(
      "button",
      { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, tabindex: -1 },
      title,
    );
    const panel = h("div", {
      role: "tabpanel",
      id: `panel-${id}`,
      "aria-labelledby": `tab-${id}`,
      hidden: true,
    });
    tab.addEventListener("click", () => {
      location.hash = id;
    });
    byId("tabs").append(tab);
    panels.append(panel);
    let isMounted = false;
    const mount = async () => {
      if (isMounted) return;
      isMounted = true;
      try {
        const module = await load();
        await module.mount(panel, app);
        messages.over(`tab ${id}`);
      } catch (error) {
        isMounted = false;
        panel.replaceChildren();
        // Browsers do not fetch a failed module again until the page is reloaded.
        const reload = () => {
          location.hash = id;
          if (navigator.onLine) location.reload();
        };
        const why = `The tab “${title}” cannot be opened: ${sentence(error)} Trying again reloads the page.`;
        messages.show(`tab ${id}`, why, reload);
      }
    };
    return [id, { tab, panel, mount }] as const;
  }),
);

/** Opens the tab named in the URL, else the first, and follows a link to a caption. `mounted`: once the tab is filled. */
function open(): { id: string; mounted: Promise<void> } {
  let mounted = Promise.resolve();
  const named = location.hash.slice(1).split("?")[0]!;
  const id = parts.has(named) ? named : tabs[0]!.id;
  for (const [name, { tab, panel, mount }] of parts) {
    const chosen = name === id;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    panel.hidden = !chosen;
    if (chosen) mounted = mount();
  }
  app.tabOpened(id);
  // The tab Scenes follows its own links.
  const link = id === "scenes" ? null : readLink(location.hash);
  if (link) app.follow(link);
  return { id, mounted };
}

byId("tabs").addEventListener("keydown", (event) => {
  const names = [...parts.keys()];
  const at = names.findIndex((id) => parts.get(id)!.tab === document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  const id = names[(to + names.length) % names.length]!;
  location.hash = id;
  parts.get(id)!.tab.focus();
});
window.addEventListener("hashchange", () => void open());
// A file dropped outside the panel that accepts it would replace the page.
for (const event of ["dragover", "drop"] as const)
  window.addEventListener(event, (dropped) => dropped.preventDefault());

const tellNetwork = () => {
  if (navigator.onLine) messages.over("offline");
  else
    messages.show(
      "offline",
      "The browser is offline. Everything already loaded keeps working; other pictures, weights and tabs need a connection.",
    );
};
window.addEventListener("online", tellNetwork);
window.addEventListener("offline", tellNetwork);

// Without a service worker (no browser support, an insecure origin) the page works, but only online.
navigator.serviceWorker?.register("service-worker.js").catch(() => {});

tellNetwork();
const { id, mounted } = open();
// The tab Scenes asks for weights of its own where they are served: the shipped ones would be loaded, and their kernels
// compiled, for nothing.
if (id === "scenes")
  void mounted.then(() => {
    if (app.wantedSource === shippedWeights) return app.start();
  });
else void app.start();
void loadGallery(app);
