/** The codes of a picture as a grid of numbers, and its reconstruction. */

import { h } from "./dom.js";
import type { Encoded } from "./encoded.js";

const size = 512;

export class CodeFigure {
  readonly codes: HTMLCanvasElement;
  readonly reconstruction: HTMLCanvasElement;
  readonly facts: HTMLElement;

  constructor() {
    this.codes = h("canvas", { width: size, height: size, role: "img", "aria-label": "Codes" });
    this.reconstruction = h("canvas", { width: 64, height: 64, role: "img", "aria-label": "Reconstruction" });
    this.facts = h("span", {}, "Codes y");
  }

  show({ ids, reconstruction }: Encoded, codes: number): void {
    const side = Math.round(Math.sqrt(ids.length));
    const step = size / side;
    const context = this.codes.getContext("2d")!;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `600 ${Math.round(step * 0.34)}px system-ui, sans-serif`;
    ids.forEach((id, i) => {
      const [x, y] = [(i % side) * step, Math.floor(i / side) * step];
      // The golden angle keeps the hues of neighbouring numbers apart.
      context.fillStyle = `hsl(${(id * 137.508) % 360} 45% 82%)`;
      context.fillRect(x, y, step, step);
      context.fillStyle = "#16202c";
      context.fillText(String(id), x + step / 2, y + step / 2);
    });
    const different = new Set(ids).size;
    this.facts.textContent = `Codes y: ${ids.length} of ${codes}, ${different} different`;
    this.codes.setAttribute("aria-label", `Codes, row by row: ${Array.from(ids).join(", ")}`);
    const { width, height, data } = reconstruction;
    this.reconstruction.width = width;
    this.reconstruction.height = height;
    const pixels = new ImageData(data, width, height);
    this.reconstruction.getContext("2d")!.putImageData(pixels, 0, 0);
    this.reconstruction.setAttribute(
      "aria-label",
      `The VQ-VAE’s reconstruction from the codes, ${width} by ${height} pixels`,
    );
  }
}
