/** Takes a picture with the camera. The video never leaves the page. */

import type { App } from "./app.js";
import { button, h } from "./dom.js";
import { pictureOf } from "./picture.js";
import { sentence } from "./sentence.js";

/** Longest side of the picture taken. */
const longest = 512;

export class Camera {
  readonly element: HTMLElement;
  private readonly video = h("video", {
    muted: true,
    playsinline: true,
    "aria-label": "The camera’s picture",
  });
  private readonly app: App;
  private stream: MediaStream | null = null;

  constructor(app: App) {
    this.app = app;
    this.element = h(
      "div",
      { class: "stack camera", hidden: true },
      this.video,
      h(
        "div",
        { class: "row" },
        button("Caption this picture", () => this.take(), { class: "primary" }),
        h("span", { class: "quiet small" }, "The picture stays on this computer."),
      ),
    );
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  async open(): Promise<void> {
    const { messages } = this.app;
    try {
      if (!navigator.mediaDevices) throw new Error("this browser offers this page no camera");
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      this.video.srcObject = this.stream;
      await this.video.play();
      this.element.hidden = false;
      messages.over("camera");
    } catch (error) {
      this.close();
      messages.show("camera", `The camera cannot be used: ${sentence(error)}`);
    }
  }

  close(): void {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
    this.element.hidden = true;
  }

  /** Uses the current frame, its centre square. */
  private take(): void {
    const { videoWidth: width, videoHeight: height } = this.video;
    const side = Math.min(width, height);
    if (side === 0) return;
    const size = Math.min(longest, side);
    const canvas = h("canvas", { width: size, height: size });
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    context.drawImage(this.video, (width - side) / 2, (height - side) / 2, side, side, 0, 0, size, size);
    void this.app.choosePicture(Promise.resolve(pictureOf(canvas, "a picture from your camera")));
  }
}
