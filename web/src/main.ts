/** The shell of the page: tabs, the status line, errors, facts. */

import { App, type Screen, sentence } from "./app.js";
import { button, byId, h } from "./dom.js";
import { tabs } from "./tabs.js";

const statusLine = byId("status");
const statusText = byId("status-text");
const statusProgress = byId("status-progress") as HTMLProgressElement;
const errors = byId("errors");
const facts = byId("facts");
const panels = byId("panels");

const screen: Screen = {
  status(text, progress) {
    statusLine.hidden = text === "";
    statusText.textContent = text;
    statusProgress.hidden = progress === undefined;
    if (progress !== undefined) statusProgress.value = progress;
  },
  error(text, retry) {
    const message = h("p", { class: "error" }, text, " ");
    if (retry) {
      message.append(
        button("Try again", () => {
          message.remove();
          retry();
        }),
        " ",
      );
    }
    message.append(
      button("Close", () => message.remove(), { class: "plain", "aria-label": "Close this message" }),
    );
    errors.replaceChildren(message);
  },
  clearErrors() {
    errors.replaceChildren();
  },
  noWebGpu(reason, retry) {
    errors.replaceChildren(
      h(
        "div",
        { class: "error" },
        h("p", {}, reason),
        h(
          "ul",
          {},
          h(
            "li",
            {},
            "Chrome and Edge have WebGPU since version 113 on Windows and macOS, since 121 on Android. On Linux Chrome has it since 144 on newer GPUs of Intel, since 147 on those of NVIDIA; with others open chrome://flags, switch “Unsafe WebGPU Support” (#enable-unsafe-webgpu) and “Vulkan” (#enable-vulkan) on, and start the browser anew.",
          ),
          h(
            "li",
            {},
            "Firefox has it since version 141 on Windows, since 147 on Macs with Apple silicon; elsewhere set dom.webgpu.enabled to true in about:config.",
          ),
          h(
            "li",
            {},
            "Safari has it since version 26; in 18 it is the feature flag “WebGPU” in the settings for developers.",
          ),
          h(
            "li",
            {},
            "The page must come by https or from localhost, and graphics acceleration must be on in the browser’s settings.",
          ),
        ),
        button("Try again", () => {
          errors.replaceChildren();
          retry();
        }),
      ),
    );
  },
  facts(text, bytes) {
    facts.textContent = text;
    facts.dataset.bytes = String(bytes);
  },
};

const app = new App(screen);

/** The tabs' buttons and panels by id; a panel is filled when it is first opened. */
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
      } catch (error) {
        isMounted = false;
        panel.replaceChildren();
        screen.error(sentence(error), open);
      }
    };
    return [id, { tab, panel, mount }] as const;
  }),
);

/** Opens the tab that the address names, else the first. */
function open(): void {
  const named = location.hash.slice(1);
  const id = parts.has(named) ? named : tabs[0]!.id;
  for (const [name, { tab, panel, mount }] of parts) {
    const chosen = name === id;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    panel.hidden = !chosen;
    if (chosen) void mount();
  }
  app.tabOpened(id);
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
window.addEventListener("hashchange", open);
// A file dropped beside the panel that takes it would replace the page.
for (const event of ["dragover", "drop"] as const)
  window.addEventListener(event, (dropped) => dropped.preventDefault());

open();
void app.start();
