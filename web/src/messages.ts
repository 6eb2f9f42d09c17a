/** Messages of the page. Each belongs to a cause and stays until that cause is over, even if other things happen meanwhile. */

import { button, h } from "./dom.js";

/** Causes of messages. A cause has at most one message at a time. Only the end of the cause or the user removes it. */
export type Source =
  /** No GPU device can be opened, or the device is lost repeatedly. Over when a device is open. */
  | "gpu"
  /** The engine reported an asynchronous error. Over when later work succeeds or another device is open. */
  | "engine"
  /** The browser is offline. Over when it is online. */
  | "offline"
  /** Weights cannot be loaded. Over when these, or others that the user chose, are loaded. */
  | "captioner"
  /** The gallery or its first picture cannot be fetched. Over when it is loaded; for the first picture, also when another one is in use. */
  | "gallery"
  /** A picture cannot be read. Over when the user has chosen another one. */
  | "picture"
  /** Work of a tab on the captioner failed. Over when it succeeds, or when the picture or the captioner changes. */
  | "caption"
  | "guidance"
  | "scenes"
  /** The program of a tab cannot be loaded. Over when the tab is open. */
  | `tab ${string}`
  /** A training run failed, or cannot be removed. Over when the run takes steps again, ends or is removed. */
  | "training"
  /** The run stored in the browser cannot be read. Over when it has been read, or when there is none. */
  | "storage"
  /** The form for a new run is incomplete. Over when it is complete. */
  | "form"
  /** A trained captioner cannot be exported. Over when one has been. */
  | "export"
  /** The chosen files are not the two of a captioner. Over when they are. */
  | "weights"
  /** A measurement failed. Over when one is running. */
  | "bench"
  /** The check of the GPU cannot be loaded. Over when one has run. */
  | "check"
  /** The clipboard refused the report. Over when it accepts one, or when there is another report. */
  | "clipboard"
  /** A link, a program or an animation cannot be copied, shared or made. Over when one has been. */
  | "share"
  /** The camera cannot be used. Over when it is. */
  | "camera"
  /** A word cannot be used. Over when another one is. */
  | "word";

/** The messages of one place in the page, in order of arrival. */
export class Messages {
  private readonly place: HTMLElement;
  private readonly shown = new Map<Source, HTMLElement>();

  constructor(place: HTMLElement) {
    this.place = place;
    place.setAttribute("role", "alert");
    // A screen reader announces only the new message, without repeating the others.
    place.setAttribute("aria-atomic", "false");
  }

  /**
   * Shows a message and replaces the previous one of the same source. With `retry` the message has a button "Try again". The
   * message stays during the attempt; if that fails without another message, the button works again. The user cannot close a
   * message that is `lasting`.
   */
  show(
    source: Source,
    content: string | readonly Node[],
    retry?: () => unknown,
    { lasting = false }: { lasting?: boolean } = {},
  ): void {
    const message = h("div", { class: "error", "data-source": source });
    message.append(...(typeof content === "string" ? [h("span", {}, content)] : content), " ");
    if (retry) {
      const again = button("Try again", async () => {
        again.disabled = true;
        try {
          await retry();
        } finally {
          again.disabled = false;
        }
      });
      message.append(again, " ");
    }
    const close = button("Close", () => this.over(source), {
      class: "plain",
      "aria-label": "Close this message",
    });
    if (!lasting) message.append(close);
    const before = this.shown.get(source);
    if (before) before.replaceWith(message);
    else this.place.append(message);
    this.shown.set(source, message);
  }

  /** Removes the message of a source: its cause is over. */
  over(source: Source): void {
    this.shown.get(source)?.remove();
    this.shown.delete(source);
  }
}

/** Kinds of work that the status line reports. */
export type StatusSource =
  /** The device is being opened. */
  | "gpu"
  /** A captioner is being loaded. */
  | "captioner"
  /** Kernels are being compiled and run for the first time. */
  | "compilation"
  /** A picture is being encoded or captioned. */
  | "work"
  /** The device was lost and is being, or has been, reopened. Over when the user chooses another picture. */
  | "loss";

/** A line about current work: shows the latest entry that is not over. */
export class StatusLine {
  private readonly draw: (text: string, progress?: number) => void;
  private readonly current = new Map<StatusSource, [text: string, progress?: number]>();

  /** `draw` shows a text; an empty one means that nothing is going on. `progress`: 0 to 1. */
  constructor(draw: (text: string, progress?: number) => void) {
    this.draw = draw;
  }

  show(source: StatusSource, text: string, progress?: number): void {
    this.current.delete(source);
    this.current.set(source, [text, progress]);
    this.draw(text, progress);
  }

  over(source: StatusSource): void {
    this.current.delete(source);
    this.draw(...([...this.current.values()].at(-1) ?? ([""] as [string])));
  }
}
