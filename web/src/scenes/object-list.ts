/** The objects of a scene as a list with their boxes, to choose and to hide. */

import type { Scene } from "../../../dist/scenes.js";
import { button, h } from "../dom.js";

/** What the list asks for; `object` is a number in `Scene.objects`. */
export interface ObjectListActions {
  /** Chooses an object; null: none. */
  onChoose(object: number | null): void;
  /** Points at an object; null: at none. */
  onPoint(object: number | null): void;
  /** Hides the codes of an object, or shows them again. */
  onHide(object: number, isHidden: boolean): void;
}

/** What is marked in the list. */
export interface MarkedObjects {
  readonly chosen: number | null;
  readonly pointed: readonly number[];
}

/** The list. */
export class ObjectList {
  readonly element = h("ol", { class: "objects", "aria-label": "Objects of the scene" });
  private readonly actions: ObjectListActions;
  private chosen: number | null = null;

  constructor(actions: ObjectListActions) {
    this.actions = actions;
  }

  /** Lists the objects of a scene with the names of their things. Keeps the focus on the same one. */
  list(scene: Scene, nameOf: (object: number) => string, hidden: ReadonlySet<number>): void {
    const focused = this.buttons().indexOf(document.activeElement as HTMLButtonElement);
    this.element.replaceChildren(
      ...scene.objects.map((_, object) => this.item(scene, object, nameOf(object), hidden.has(object))),
    );
    if (focused >= 0) this.buttons()[focused]?.focus();
  }

  /** Marks what is chosen and what is pointed at. */
  mark({ chosen, pointed }: MarkedObjects): void {
    this.chosen = chosen;
    this.element.querySelectorAll("li").forEach((item, object) => {
      item.dataset.pointed = String(pointed.includes(object));
      item.querySelector("button")!.setAttribute("aria-pressed", String(chosen === object));
    });
  }

  /** Moves the focus to the first object. Returns whether there is one. */
  focus(): boolean {
    const [first] = this.buttons();
    first?.focus();
    return first !== undefined;
  }

  private buttons(): HTMLButtonElement[] {
    return [...this.element.querySelectorAll("button")];
  }

  private item(scene: Scene, object: number, name: string, isHidden: boolean): HTMLElement {
    const { actions } = this;
    const { entity, box } = scene.objects[object]!;
    const { size, drawing } = scene.entities[entity]!;
    const facts = [size, drawing.tone && `${drawing.tone} skin`, drawing.gender].filter(Boolean).join(", ");
    const choose = button(name, () => actions.onChoose(this.chosen === object ? null : object), {
      class: "small",
    });
    choose.addEventListener("focus", () => actions.onPoint(object));
    choose.addEventListener("blur", () => actions.onPoint(null));
    const hide = h("input", { type: "checkbox" });
    hide.checked = isHidden;
    hide.addEventListener("change", () => actions.onHide(object, hide.checked));
    const place = `${facts}; ${box.width}×${box.height} at ${box.x}, ${box.y}`;
    const item = h(
      "li",
      {},
      choose,
      h("span", { class: "quiet small" }, place),
      h("label", { class: "small" }, hide, " hide its codes"),
    );
    item.addEventListener("pointerenter", () => actions.onPoint(object));
    item.addEventListener("pointerleave", () => actions.onPoint(null));
    return item;
  }
}
