/** The drawings that can be put into a scene, with a search. A press adds one; a mouse or pen can drag it to its place. */

import type { SceneArt, Thing } from "../../../dist/scenes.js";
import { button, field, h } from "../dom.js";

/** Pixels of the thumbnails. */
const side = 40;
/** CSS pixels after which a pointer drags. */
const threshold = 8;

export interface PaletteOptions {
  /** Puts a thing somewhere. */
  onAdd(thing: Thing): void;
  /** Puts a thing where the pointer was let go, in pixels of the window. */
  onDrop(thing: Thing, clientX: number, clientY: number): void;
}

export class Palette {
  readonly element: HTMLElement;

  constructor({ things, sheet }: SceneArt, { onAdd, onDrop }: PaletteOptions) {
    const entries = things.map((thing) => {
      const canvas = h("canvas", { width: side, height: side, "aria-hidden": "true" });
      const { width, height, data } = sheet.sprite("noto", thing.drawings[0]!.code, side);
      const pixels = new ImageData(width, height);
      // Drawings have their colours multiplied by alpha; canvases do that themselves.
      for (let i = 0; i < data.length; i += 4) {
        const alpha = data[i + 3]!;
        for (let c = 0; c < 3; c++) pixels.data[i + c] = alpha ? (data[i + c]! * 255) / alpha : 0;
        pixels.data[i + 3] = alpha;
      }
      canvas.getContext("2d")!.putImageData(pixels, (side - width) >> 1, (side - height) >> 1);
      const element = button("", () => onAdd(thing), {
        title: thing.name,
        "aria-label": `Add ${thing.name}`,
      });
      element.append(canvas);
      dragging(element, (x, y) => onDrop(thing, x, y));
      const text = thing.names.map(({ one, many }) => `${one} ${many}`).join(" ");
      return { element, text };
    });
    const count = h("span", { class: "quiet", role: "status" });
    const search = h("input", { type: "search", placeholder: "dog, car …" });
    const filter = () => {
      const wanted = search.value.trim().toLowerCase();
      let shown = 0;
      for (const { element, text } of entries) {
        element.hidden = !text.includes(wanted);
        if (!element.hidden) shown++;
      }
      count.textContent = `${shown} of ${entries.length} things`;
    };
    search.addEventListener("input", filter);
    filter();
    this.element = h(
      "section",
      { "aria-label": "Drawings" },
      h("div", { class: "row filters" }, field("Search drawings", search), count),
      h(
        "div",
        { class: "gallery palette", tabindex: 0, role: "group", "aria-label": "Drawings to add" },
        ...entries.map(({ element }) => element),
      ),
    );
  }
}

/** Lets an element be dragged with a mouse or a pen; fingers scroll. A drag is no press. */
function dragging(element: HTMLElement, drop: (x: number, y: number) => void): void {
  let start: { x: number; y: number } | null = null;
  let ghost: HTMLElement | null = null;
  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") return;
    start = { x: event.clientX, y: event.clientY };
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", ({ clientX, clientY }) => {
    if (!start) return;
    if (!ghost && Math.hypot(clientX - start.x, clientY - start.y) < threshold) return;
    if (!ghost) {
      const canvas = h("canvas", { width: side, height: side, class: "ghost", "aria-hidden": "true" });
      canvas.getContext("2d")!.drawImage(element.querySelector("canvas")!, 0, 0);
      document.body.append(canvas);
      ghost = canvas;
    }
    ghost.style.left = `${clientX - side / 2}px`;
    ghost.style.top = `${clientY - side / 2}px`;
  });
  let wasDragged = false;
  const end = (dropped: { x: number; y: number } | null) => {
    wasDragged = ghost !== null;
    ghost?.remove();
    if (ghost && dropped) drop(dropped.x, dropped.y);
    ghost = null;
    start = null;
  };
  element.addEventListener("pointerup", ({ clientX, clientY }) => end({ x: clientX, y: clientY }));
  element.addEventListener("pointercancel", () => end(null));
  element.addEventListener(
    "click",
    (event) => {
      if (wasDragged) event.stopImmediatePropagation();
      wasDragged = false;
    },
    { capture: true },
  );
}
