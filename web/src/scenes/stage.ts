/** The canvas on which scenes are composed: the picture as the model sees it, with boxes, attention and hidden codes over it. */

import type { Box } from "../../../dist/scenes.js";
import { canvasOf } from "../canvas-of.js";
import { h } from "../dom.js";

/** Pixels of the canvas; the page scales it. */
const side = 512;

export interface StageOptions {
  /** Called with the object under the pointer when it goes down, and when the pointer passes; null: none. */
  onChoose(object: number | null): void;
  onPoint(object: number | null): void;
  /** Called while an object is dragged, with pixels of the picture since the last call. */
  onDrag(object: number, x: number, y: number): void;
}

export interface Shown {
  /** The picture's side in its pixels. */
  readonly size: number;
  readonly pixels: ImageData;
  /** For each object its drawing's box. */
  readonly boxes: readonly Box[];
  readonly chosen: number | null;
  /** Objects that are pointed at, or that the word pointed at is about. */
  readonly pointed: readonly number[];
  /** The attention [S] of the word pointed at. */
  readonly attention: ArrayLike<number> | null;
  /** The cells of the code grid that are hidden, and its side. */
  readonly hidden: ReadonlySet<number>;
  readonly grid: number;
}

export class Stage {
  readonly element: HTMLCanvasElement;
  private readonly options: StageOptions;
  private shown: Shown | null = null;
  private dragged: { object: number; x: number; y: number } | null = null;

  constructor(options: StageOptions, label: string) {
    this.options = options;
    this.element = h("canvas", {
      width: side,
      height: side,
      class: "grid stage",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "scene",
      "aria-label": label,
    });
    this.listen();
    this.element.addEventListener("contextrestored", () => this.draw());
  }

  show(shown: Shown): void {
    this.shown = shown;
    this.draw();
  }

  /** The point of the picture under a point of the window; null outside of the canvas. */
  pointAt(clientX: number, clientY: number): { x: number; y: number } | null {
    const { left, top, width, height } = this.element.getBoundingClientRect();
    const [x, y] = [(clientX - left) / width, (clientY - top) / height];
    const size = this.shown?.size ?? 1;
    return x >= 0 && y >= 0 && x < 1 && y < 1 ? { x: x * size, y: y * size } : null;
  }

  private listen(): void {
    const { element, options } = this;
    const under = ({ clientX, clientY }: PointerEvent): number | null => {
      const point = this.pointAt(clientX, clientY);
      const found = this.shown?.boxes.findLastIndex(
        ({ x, y, width, height }) =>
          point && point.x >= x && point.y >= y && point.x < x + width && point.y < y + height,
      );
      return found === undefined || found < 0 ? null : found;
    };
    element.addEventListener("pointerdown", (event) => {
      const object = under(event);
      options.onChoose(object);
      const point = this.pointAt(event.clientX, event.clientY);
      if (object === null || !point) return;
      element.setPointerCapture(event.pointerId);
      this.dragged = { object, ...point };
    });
    element.addEventListener("pointermove", (event) => {
      const { dragged } = this;
      if (!dragged) {
        options.onPoint(under(event));
        return;
      }
      const { left, top, width, height } = element.getBoundingClientRect();
      const size = this.shown!.size;
      const [x, y] = [
        Math.trunc(((event.clientX - left) / width) * size - dragged.x),
        Math.trunc(((event.clientY - top) / height) * size - dragged.y),
      ];
      if (x === 0 && y === 0) return;
      dragged.x += x;
      dragged.y += y;
      options.onDrag(dragged.object, x, y);
    });
    for (const end of ["pointerup", "pointercancel"] as const)
      element.addEventListener(end, () => {
        this.dragged = null;
      });
    element.addEventListener("pointerleave", () => options.onPoint(null));
  }

  private draw(): void {
    if (!this.shown) return;
    const { size, pixels, boxes, chosen, pointed, attention, hidden, grid } = this.shown;
    const context = this.element.getContext("2d")!;
    context.imageSmoothingQuality = "high";
    context.drawImage(canvasOf(pixels), 0, 0, side, side);
    const cell = side / grid;
    const most = attention ? Math.max(1e-9, ...Array.from(attention)) : 1;
    for (let i = 0; i < grid * grid; i++) {
      const [x, y] = [(i % grid) * cell, Math.floor(i / grid) * cell];
      if (attention) {
        context.fillStyle = `rgb(8 14 28 / ${0.82 * (1 - attention[i]! / most)})`;
        context.fillRect(x, y, cell, cell);
      }
      if (hidden.has(i)) {
        context.fillStyle = "rgb(20 24 32 / 0.88)";
        context.fillRect(x, y, cell, cell);
        context.strokeStyle = "rgb(255 255 255 / 0.5)";
        context.lineWidth = 2;
        context.strokeRect(x + 1, y + 1, cell - 2, cell - 2);
      }
    }
    boxes.forEach(({ x, y, width, height }, number) => {
      if (number !== chosen && !pointed.includes(number)) return;
      const scale = side / size;
      for (const [colour, line] of [
        ["#ffffff", 8],
        [number === chosen ? "#0b57d0" : "#c2410c", 4],
      ] as const) {
        context.strokeStyle = colour;
        context.lineWidth = line;
        context.strokeRect(x * scale, y * scale, width * scale, height * scale);
      }
    });
  }
}
