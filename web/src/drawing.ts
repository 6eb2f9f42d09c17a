/** A canvas for drawing with mouse, pen or finger. */

import { button, field, h } from "./dom.js";

const colours = {
  black: "#1d1d1f",
  red: "#d83b2d",
  orange: "#f2922c",
  yellow: "#fcd53f",
  green: "#3fa34d",
  blue: "#2f7fd6",
  purple: "#7d4fc4",
  brown: "#8a5a3c",
  skin: "#f4c39a",
  white: "#ffffff",
} as const;

/** A drawing pad. Calls `onDone` with its canvas, which the pad keeps using. */
export function drawingPad(onDone: (canvas: HTMLCanvasElement) => void): HTMLElement {
  const canvas = h("canvas", { width: 256, height: 256, class: "pad", "aria-label": "Drawing" });
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.lineCap = "round";
  context.lineJoin = "round";
  const clear = () => {
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  clear();

  const width = h("input", { type: "range", min: 4, max: 64, value: 18 });
  let colour: string = colours.black;
  let last: [number, number] | null = null;
  const place = (event: PointerEvent): [number, number] => {
    const scale = canvas.width / canvas.clientWidth;
    return [event.offsetX * scale, event.offsetY * scale];
  };
  const line = (to: [number, number]) => {
    context.strokeStyle = colour;
    context.lineWidth = Number(width.value);
    context.beginPath();
    context.moveTo(...(last ?? to));
    context.lineTo(...to);
    context.stroke();
    last = to;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    line(place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last) line(place(event));
  });
  for (const end of ["pointerup", "pointercancel"] as const)
    canvas.addEventListener(end, () => {
      last = null;
    });

  const swatches = Object.entries(colours).map(([name, value]) => {
    const swatch = h("button", { type: "button", class: "swatch", "aria-label": name, title: name });
    swatch.style.background = value;
    swatch.setAttribute("aria-pressed", String(value === colour));
    swatch.addEventListener("click", () => {
      colour = value;
      for (const other of swatches) other.setAttribute("aria-pressed", String(other === swatch));
    });
    return swatch;
  });
  return h(
    "div",
    { class: "drawing" },
    canvas,
    h(
      "div",
      { class: "stack" },
      h("div", { class: "row", role: "group", "aria-label": "Colour" }, ...swatches),
      field("Width", width),
      h(
        "div",
        { class: "row" },
        button("Caption the drawing", () => onDone(canvas), { class: "primary" }),
        button("Clear", clear),
      ),
    ),
  );
}
