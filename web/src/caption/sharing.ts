/** Buttons for what is shown: copy or share its link, copy its program, download its animation. */

import type { App } from "../app.js";
import { button, download, h } from "../dom.js";
import { sentence } from "../sentence.js";

export interface Shared {
  /** The permanent link. */
  address(): string;
  /** The program. */
  code(): string;
  /** What is shared, as text. */
  text(): string;
  /** The animation as a GIF file. */
  animation(): Promise<Blob>;
}

export class Sharing {
  readonly element: HTMLElement;
  private readonly buttons: HTMLButtonElement[];
  private readonly done = h("span", { class: "quiet", role: "status" });

  constructor(app: App, shared: Shared) {
    const act = (what: () => Promise<string>) => async () => {
      this.done.textContent = "";
      try {
        this.done.textContent = await what();
        app.messages.over("share");
      } catch (error) {
        // The user closed the system's dialog.
        if (error instanceof DOMException && error.name === "AbortError") return;
        app.messages.show("share", sentence(error));
      }
    };
    const copy = async (text: string) => {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        throw new Error(`the browser does not let this page use the clipboard; copy this yourself: ${text}`);
      }
    };
    this.buttons = [
      button(
        "Copy link",
        act(async () => {
          await copy(shared.address());
          return "Link copied.";
        }),
      ),
      ...("share" in navigator
        ? [
            button(
              "Share …",
              act(async () => {
                await navigator.share({ title: "MC-Diffusion", text: shared.text(), url: shared.address() });
                return "";
              }),
            ),
          ]
        : []),
      button(
        "Copy this code",
        act(async () => {
          await copy(shared.code());
          return "Program copied.";
        }),
      ),
      button(
        "Download as GIF",
        act(async () => {
          download("caption.gif", await shared.animation());
          return "";
        }),
      ),
    ];
    this.element = h("div", { class: "row sharing" }, ...this.buttons, this.done);
  }

  /** Whether there is something to share. */
  enable(enabled: boolean): void {
    for (const button of this.buttons) button.disabled = !enabled;
    if (!enabled) this.done.textContent = "";
  }
}
