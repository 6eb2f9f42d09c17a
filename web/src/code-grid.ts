/** A picture under the grid of its code positions. Cells can be pointed at, reached with the arrow keys, and painted. */

import { canvasOf } from "./canvas-of.js";
import { h } from "./dom.js";

export interface CodeGridOptions {
  /** For screen readers: names the grid and says what the keys do. */
  label: string;
  /** Called with the cell that the pointer or the keyboard reaches; null when it leaves the grid. */
  onCell?: (cell: number | null) => void;
  /**
   * Lets regions be chosen: by dragging, or with Shift and the arrow keys. Called with the region so far, and with null when there
   * is none any more.
   */
  onRegion?: (region: Region | null) => void;
  /** Makes cells paintable (pointer, space bar). Called with all cells, 1 = painted. */
  onPaint?: (painted: Uint8Array) => void;
}

/** A rectangle of cells. */
export interface Region {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

/** Pixels of the canvas; the page scales it. */
const size = 512;

export class CodeGrid {
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly options: CodeGridOptions;
  private picture: ImageData | null = null;
  private side = 8;
  private weights: ArrayLike<number> | null = null;
  private painted = new Uint8Array(64);
  private cell: number | null = null;
  /** The value that the pointer paints while it is down. */
  private brush: 0 | 1 | null = null;
  private region: Region | null = null;
  /** The cell where a region begins, while one is chosen. */
  private anchor: number | null = null;

  constructor(options: CodeGridOptions) {
    this.options = options;
    this.canvas = h("canvas", {
      width: size,
      height: size,
      class: options.onPaint ? "grid paintable" : options.onRegion ? "grid choosable" : "grid",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "code grid",
      "aria-label": options.label,
    });
    this.element = this.canvas;
    this.listen();
    // The canvas loses its pixels if the GPU process dies.
    this.canvas.addEventListener("contextrestored", () => this.draw());
    this.draw();
  }

  /** Shows a picture over a grid of side × side codes. */
  show(picture: ImageData | null, side: number): void {
    this.picture = picture;
    this.region = null;
    if (side !== this.side) {
      this.side = side;
      this.painted = new Uint8Array(side * side);
      this.cell = null;
    }
    this.draw();
  }

  /** Darkens cells by their weights [S], from the largest (light) to the smallest (dark); null: all light. */
  light(weights: ArrayLike<number> | null): void {
    this.weights = weights;
    this.draw();
  }

  /** The painted cells, 1 = painted. */
  get marks(): Uint8Array {
    return this.painted.slice();
  }

  set marks(painted: ArrayLike<number>) {
    this.painted = Uint8Array.from({ length: this.side ** 2 }, (_, i) => (painted[i] ? 1 : 0));
    this.draw();
  }

  private listen(): void {
    const { canvas, options } = this;
    const at = (event: PointerEvent): number => {
      const index = (offset: number, length: number) =>
        Math.min(this.side - 1, Math.max(0, Math.floor((offset / length) * this.side)));
      return index(event.offsetY, canvas.clientHeight) * this.side + index(event.offsetX, canvas.clientWidth);
    };
    canvas.addEventListener("pointermove", (event) => {
      const before = this.cell;
      this.moveTo(at(event));
      if (this.brush !== null) this.paint(this.cell!, this.brush);
      // An anchor that the keyboard set is none for a pointer that only passes.
      if (this.anchor !== null && event.buttons !== 0 && this.cell !== before)
        this.choose(this.anchor, this.cell!);
    });
    canvas.addEventListener("pointerdown", (event) => {
      this.moveTo(at(event));
      if (options.onRegion) {
        canvas.setPointerCapture(event.pointerId);
        this.anchor = this.cell;
        this.forget();
      }
      if (!options.onPaint) return;
      canvas.setPointerCapture(event.pointerId);
      this.brush = this.painted[this.cell!] ? 0 : 1;
      this.paint(this.cell!, this.brush);
    });
    const endStroke = () => {
      this.anchor = null;
      if (this.brush === null) return;
      this.brush = null;
      options.onPaint?.(this.marks);
    };
    canvas.addEventListener("pointerup", endStroke);
    canvas.addEventListener("pointercancel", endStroke);
    canvas.addEventListener("pointerleave", () => this.moveTo(null));
    canvas.addEventListener("blur", () => this.moveTo(null));
    canvas.addEventListener("focus", () => {
      // A click selects the cell under the pointer.
      if (canvas.matches(":focus-visible")) this.moveTo(this.cell ?? 0);
    });
    canvas.addEventListener("keydown", (event) => {
      const { side } = this;
      const cell = this.cell ?? 0;
      const [row, column] = [Math.floor(cell / side), cell % side];
      const to = {
        ArrowLeft: column > 0 ? cell - 1 : cell,
        ArrowRight: column < side - 1 ? cell + 1 : cell,
        ArrowUp: row > 0 ? cell - side : cell,
        ArrowDown: row < side - 1 ? cell + side : cell,
        Home: row * side,
        End: row * side + side - 1,
      }[event.key];
      if (to !== undefined) {
        if (event.shiftKey && options.onRegion) this.choose(this.anchor ?? cell, to);
        else this.anchor = null;
        this.moveTo(to);
      } else if (event.key === " " && options.onPaint) {
        this.moveTo(cell);
        this.paint(cell, this.painted[cell] ? 0 : 1);
        options.onPaint(this.marks);
      } else if (event.key === "Escape") {
        this.forget();
        this.moveTo(null);
      } else return;
      event.preventDefault();
    });
  }

  private moveTo(cell: number | null): void {
    if (cell === this.cell) return;
    this.cell = cell;
    this.draw();
    this.options.onCell?.(cell);
  }

  /** Chooses the cells from one corner to another; a single cell is no region. */
  private choose(from: number, to: number): void {
    this.anchor = from;
    if (from === to && !this.region) return;
    const { side } = this;
    const [row, column] = [Math.floor(from / side), from % side];
    const [otherRow, otherColumn] = [Math.floor(to / side), to % side];
    this.region = {
      row: Math.min(row, otherRow),
      column: Math.min(column, otherColumn),
      rows: Math.abs(row - otherRow) + 1,
      columns: Math.abs(column - otherColumn) + 1,
    };
    this.draw();
    this.options.onRegion?.(this.region);
  }

  /** Drops the region. */
  forget(): void {
    if (!this.region) return;
    this.region = null;
    this.draw();
    this.options.onRegion?.(null);
  }

  private paint(cell: number, value: 0 | 1): void {
    if (this.painted[cell] === value) return;
    this.painted[cell] = value;
    this.draw();
  }

  private draw(): void {
    const context = this.canvas.getContext("2d")!;
    const step = size / this.side;
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, size, size);
    if (this.picture) {
      // As in the model's input: the whole picture, padded with white.
      const { width, height } = this.picture;
      const scale = size / Math.max(width, height);
      context.imageSmoothingEnabled = scale < 4;
      context.imageSmoothingQuality = "high";
      context.drawImage(
        canvasOf(this.picture),
        (size - width * scale) / 2,
        (size - height * scale) / 2,
        width * scale,
        height * scale,
      );
    }
    this.cells((cell, x, y) => {
      if (this.weights) {
        context.fillStyle = `rgb(8 14 28 / ${0.86 * (1 - this.share(cell))})`;
        context.fillRect(x, y, step, step);
      }
      if (this.painted[cell]) this.hatch(context, x, y, step);
    });
    context.strokeStyle = this.weights ? "rgb(255 255 255 / 0.25)" : "rgb(20 30 50 / 0.22)";
    context.lineWidth = 1;
    context.beginPath();
    for (let i = 1; i < this.side; i++) {
      context.moveTo(i * step, 0);
      context.lineTo(i * step, size);
      context.moveTo(0, i * step);
      context.lineTo(size, i * step);
    }
    context.stroke();
    if (this.region) {
      const { row, column, rows, columns } = this.region;
      this.frame(context, column * step, row * step, columns * step, rows * step);
    } else if (this.cell !== null) {
      this.frame(
        context,
        (this.cell % this.side) * step,
        Math.floor(this.cell / this.side) * step,
        step,
        step,
      );
    }
  }

  private frame(
    context: CanvasRenderingContext2D,
    x: number,
    y: number,
    width: number,
    height: number,
  ): void {
    for (const [colour, line] of [
      ["#ffffff", 8],
      ["#0b57d0", 4],
    ] as const) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect(x + 2, y + 2, width - 4, height - 4);
    }
  }

  private cells(visit: (cell: number, x: number, y: number) => void): void {
    const step = size / this.side;
    for (let cell = 0; cell < this.side ** 2; cell++) {
      visit(cell, (cell % this.side) * step, Math.floor(cell / this.side) * step);
    }
  }

  /** A cell's weight, scaled from the smallest (0) to the largest (1). */
  private share(cell: number): number {
    const weights = Array.from(this.weights!);
    const [least, most] = [Math.min(...weights), Math.max(...weights)];
    return most > least ? (weights[cell]! - least) / (most - least) : 1;
  }

  private hatch(context: CanvasRenderingContext2D, x: number, y: number, step: number): void {
    context.save();
    context.beginPath();
    context.rect(x, y, step, step);
    context.clip();
    context.fillStyle = "rgb(20 24 32 / 0.88)";
    context.fillRect(x, y, step, step);
    context.strokeStyle = "rgb(255 255 255 / 0.5)";
    context.lineWidth = 2;
    context.beginPath();
    for (let offset = -step; offset < step; offset += step / 4) {
      context.moveTo(x + offset, y + step);
      context.lineTo(x + offset + step, y);
    }
    context.stroke();
    context.restore();
  }
}
