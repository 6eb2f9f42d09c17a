/** Messages of the page. Each belongs to its cause and stays until that cause is over, whatever else happens meanwhile. */

import { button, h } from "./dom.js";

/** Causes of messages. A cause has at most one message at a time, and only the end of the cause or the reader removes it. */
export type Source =
  /** No GPU device can be opened, or it is lost again and again. Over when a device is open. */
  | "gpu"
  /** The engine reported an asynchronous error. Over when later work succeeds or another device is open. */
  | "engine"
  /** The browser is offline. Over when it is online. */
  | "offline"
  /** Weights cannot be loaded. Over when these are loaded, or others that the reader asked for. */
  | "captioner"
  /** The gallery or its first picture cannot be fetched. Over when it is there; without the first picture, when another is used. */
  | "gallery"
  /** A picture cannot be read. Over when the reader has chosen another one. */
  | "picture"
  /** Work of a tab on the captioner failed. Over when it succeeds, or when the picture or the captioner is another one. */
  | "caption"
  | "guidance"
  /** The program of a tab cannot be loaded. Over when the tab is open. */
  | `tab ${string}`
  /** A training run failed, or cannot be removed. Over when it does steps again, ends or is removed. */
  | "training"
  /** The run that is kept in the browser's storage cannot be read. Over when it is, or when there is none. */
  | "storage"
  /** The form in front of a run lacks something. Over when it is there. */
  | "form"
  /** A trained captioner cannot be handed over. Over when one is. */
  | "export"
  /** Not the two files of a captioner were chosen. Over when they are. */
  | "weights"
  /** A measurement failed. Over when one runs. */
  | "bench"
  /** The clipboard takes nothing. Over when it does, or when there is another report. */
  | "clipboard"
  /** A word cannot be used. Over when one is. */
  | "word";

/** The messages of one place of the page, in the order in which they came. */
export class Messages {
  private readonly place: HTMLElement;
  private readonly shown = new Map<Source, HTMLElement>();

  constructor(place: HTMLElement) {
    this.place = place;
    place.setAttribute("role", "alert");
    // A screen reader reads a new message, not those beside it again.
    place.setAttribute("aria-atomic", "false");
  }

  /**
   * Shows a message in the place of the former one of the same source. With `retry` a button offers to try again; the
   * message stays while that is under way, and if it fails without another message it can be tried once more.
   */
  show(source: Source, content: string | readonly Node[], retry?: () => unknown): void {
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
    message.append(close);
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

/** Kinds of work that the status line tells of. */
export type StatusSource =
  /** The device is being opened. */
  | "gpu"
  /** A captioner is being loaded. */
  | "captioner"
  /** The device was lost and is opened again, or was; ends when the reader chooses another picture. */
  | "loss";

/** A line about what is going on: the latest of what is not over. */
export class StatusLine {
  private readonly draw: (text: string, progress?: number) => void;
  private readonly current = new Map<StatusSource, [text: string, progress?: number]>();

  /** `draw` shows a text; empty: nothing is going on. `progress` from 0 to 1. */
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
