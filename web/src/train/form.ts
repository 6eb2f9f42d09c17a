/** The form for a new run: training data and settings. */

import { describeConfig, PRESET_NAMES } from "../../../dist/index.js";
import { button, field, h } from "../dom.js";
import type { Messages } from "../messages.js";
import { sentence } from "../sentence.js";
import type { Pictures } from "./messages.js";

/** Presets by name with their description. Those of scenes are not here: the page does not carry their art. */
const presets: Readonly<Record<string, string>> = {
  quick: "quick: small networks, a few minutes; to see training at work, not for good captions",
  emoji: "emoji: the networks whose weights ship with the page, 64×64 pixels; an hour or more on a good GPU",
  paper: "paper: the paper’s sizes, 256×256 pixels; days on a large GPU",
};

interface Folder {
  name: string;
  files: ReadonlyMap<string, File>;
}

export class Form {
  readonly element: HTMLElement;
  private readonly preset = h("select", { id: "train-preset" });
  private readonly emoji = h("input", { type: "radio", name: "train-pictures", checked: true });
  private readonly own = h("input", { type: "radio", name: "train-pictures" });
  private readonly skipBad = h("input", { type: "checkbox" });
  private readonly settings = h("textarea", {
    id: "train-settings",
    rows: 4,
    spellcheck: "false",
    placeholder: "decoder.steps=1200",
  });
  private readonly chosen = h("span", { class: "quiet", "aria-live": "polite" }, "no folder chosen");
  private folder: Folder | null = null;
  private readonly messages: Messages;

  constructor(messages: Messages) {
    this.messages = messages;
    for (const name of PRESET_NAMES) {
      const description = presets[name];
      if (description !== undefined) this.preset.append(h("option", { value: name }, description));
    }
    this.preset.value = "quick";
    const picker = h("input", { type: "file", webkitdirectory: true, multiple: true, hidden: true });
    picker.addEventListener("change", () => {
      const files = new Map(
        [...(picker.files ?? [])].map((file) => [file.webkitRelativePath, file] as const),
      );
      const [first] = files.keys();
      if (first !== undefined) this.take({ name: first.split("/")[0]!, files });
    });
    const choose = button("Choose a folder …", () => picker.click());
    this.emoji.addEventListener("change", () => this.messages.over("form"));
    this.element = h(
      "div",
      { class: "stack" },
      h(
        "fieldset",
        { class: "stack" },
        h("legend", {}, "Pictures"),
        h(
          "label",
          {},
          this.emoji,
          " 512 emoji that come with the page, at 32×32 and 64×64 pixels (the shipped weights were trained on 7567)",
        ),
        h(
          "label",
          {},
          this.own,
          " a folder of your own, which stays on this computer: PNG, JPEG or WebP pictures with captions.jsonl, .csv or .txt; drop it here or choose it",
        ),
        h("div", { class: "row" }, choose, picker, this.chosen),
        h("label", {}, this.skipBad, " skip unreadable rows and pictures instead of stopping (--skip-bad)"),
      ),
      field("Settings", this.preset),
      h(
        "details",
        {},
        h("summary", {}, "More settings"),
        h("label", { for: "train-settings" }, "One key=value per line, as with --set on the command line:"),
        this.settings,
        h(
          "details",
          {},
          h("summary", {}, "All settings"),
          h("pre", { class: "all-settings" }, describeConfig()),
        ),
      ),
    );
    this.acceptFolder();
  }

  get presetName(): string {
    return this.preset.value;
  }

  /** The `key=value` lines, without empty ones. */
  get set(): string[] {
    return this.settings.value.split("\n").flatMap((line) => line.trim() || []);
  }

  /** The chosen pictures. Null, with a message, if a folder is selected as the source but none is chosen. */
  get pictures(): Pictures | null {
    if (this.emoji.checked) return { kind: "emoji" };
    if (!this.folder) this.messages.show("form", "Choose a folder of captioned pictures first.");
    return this.folder && { kind: "folder", ...this.folder, skipBad: this.skipBad.checked };
  }

  private take(folder: Folder): void {
    this.folder = folder;
    this.messages.over("form");
    this.own.checked = true;
    this.chosen.textContent = `${folder.name}: ${folder.files.size} ${folder.files.size === 1 ? "file" : "files"}`;
  }

  private acceptFolder(): void {
    const { element } = this;
    const over = (on: boolean) => element.classList.toggle("dropping", on);
    element.addEventListener("dragover", (event) => {
      event.preventDefault();
      over(true);
    });
    element.addEventListener("dragleave", () => over(false));
    element.addEventListener("drop", async (event) => {
      event.preventDefault();
      event.stopPropagation();
      over(false);
      const entry = event.dataTransfer?.items[0]?.webkitGetAsEntry();
      if (!entry?.isDirectory) {
        this.messages.show(
          "form",
          "That is not a folder: drop the folder that contains the pictures and captions.",
        );
        return;
      }
      try {
        const files = new Map<string, File>();
        await collect(entry, entry.name, files);
        this.take({ name: entry.name, files });
      } catch (error) {
        this.messages.show("form", `The folder ${entry.name} cannot be read: ${sentence(error)}`);
      }
    });
  }
}

/** All files of a dropped folder, by their paths. */
async function collect(entry: FileSystemEntry, path: string, files: Map<string, File>): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    files.set(path, file);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A folder is listed in portions; an empty one marks the end.
    const portion = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (portion.length === 0) return;
    for (const child of portion) await collect(child, `${path}/${child.name}`, files);
  }
}
