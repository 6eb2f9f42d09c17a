/** The trained captioner: use it in the Caption tab, download its files, or use weights that were trained elsewhere. */

import { Captioner, formatBytes, pickedFiles } from "../../../dist/index.js";
import type { App, CaptionerSource } from "../app.js";
import { button, h } from "../dom.js";
import type { Messages } from "../messages.js";
import type { Trained } from "./messages.js";

export interface TrainedActions {
  /** Requests the captioner as trained so far; `show` receives it. */
  request(): void;
  note(text: string): void;
}

export class TrainedCaptioner {
  readonly element: HTMLElement;
  private readonly app: App;
  private readonly messages: Messages;
  private readonly actions: TrainedActions;
  private readonly use = button("Use in the Caption tab", () => this.take());
  private readonly fetch: HTMLButtonElement;
  private readonly files = h("p", { class: "row", id: "train-files" });
  private readonly addresses: string[] = [];
  /** The captioner was requested for use; use it when it arrives. */
  private wanted = false;

  constructor(app: App, messages: Messages, actions: TrainedActions) {
    this.app = app;
    this.messages = messages;
    this.actions = actions;
    this.fetch = button("Export as files", () => actions.request());
    this.element = h(
      "section",
      { class: "stack", "aria-label": "Trained captioner" },
      h("h2", {}, "Trained captioner"),
      h("div", { class: "row" }, this.use, this.fetch, ...this.foreignWeights()),
      this.files,
    );
  }

  enable(usable: boolean): void {
    this.use.disabled = !usable;
    this.fetch.disabled = !usable;
  }

  /** The request for it failed. */
  refused(): void {
    this.wanted = false;
  }

  /** Requests the captioner, to use it as trained so far. */
  private take(): void {
    this.wanted = true;
    this.actions.request();
  }

  /** Shows the captioner's files; null: there are none. Uses it if that was requested. */
  show(trained: Trained | null): void {
    this.files.replaceChildren();
    for (const address of this.addresses.splice(0)) URL.revokeObjectURL(address);
    this.messages.over("export");
    if (!trained) return;
    const { vqvae, decoder } = trained.steps;
    const at = decoder > 0 ? `decoder step ${decoder}` : `VQ-VAE step ${vqvae}`;
    this.files.append(
      `At ${at}, in the format that the Node commands read:`,
      this.download("config.json", trained.config),
      this.download("model.safetensors", trained.model),
    );
    if (!this.wanted) return;
    this.wanted = false;
    if (decoder === 0) {
      this.actions.note(
        "The decoder is not trained yet: its captions are random words. Only the VQ-VAE’s reconstructions are meaningful.",
      );
    }
    void this.hand(`the weights trained here (${at})`, trained);
  }

  /** Uses a captioner in the Caption tab, and opens that tab. */
  private async hand(name: string, { config, model }: Pick<Trained, "config" | "model">): Promise<void> {
    const files = pickedFiles(
      new Map([
        ["weights/config.json", config],
        ["weights/model.safetensors", model],
      ]),
    );
    const source: CaptionerSource = {
      name,
      load: async (gpu) => {
        // Weights from elsewhere may be a baseline's.
        await import("../../../dist/baselines.js");
        return Captioner.fromFolder(gpu, files, "weights");
      },
    };
    if (await this.app.useCaptioner(source)) location.hash = "caption";
  }

  private download(name: string, blob: Blob): HTMLAnchorElement {
    const href = URL.createObjectURL(blob);
    this.addresses.push(href);
    return h("a", { class: "button", download: name, href }, `${name} (${formatBytes(blob.size)})`);
  }

  /** A control that loads weights trained elsewhere: the two files of a `weights/` folder. */
  private foreignWeights(): HTMLElement[] {
    const input = h("input", {
      type: "file",
      multiple: true,
      accept: ".json,.safetensors",
      class: "out-of-sight",
      id: "train-weights",
    });
    input.addEventListener("change", () => {
      const named = (name: string) => [...(input.files ?? [])].find((file) => file.name === name);
      const [config, model] = [named("config.json"), named("model.safetensors")];
      input.value = "";
      if (config && model) {
        this.messages.over("weights");
        void this.hand("the weights from your files", { config, model });
      } else
        this.messages.show(
          "weights",
          "Choose both files of a weights folder at once: config.json and model.safetensors.",
        );
    });
    return [input, h("label", { for: "train-weights", class: "button" }, "Use weights trained elsewhere …")];
  }
}
