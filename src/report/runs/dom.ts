/** Elements of a page, made of text that is never markup. */

/** An element with its attributes (false and undefined leave one out), listeners (`onclick`) and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, unknown>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value as EventListener);
    else if (value !== undefined && value !== false)
      made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/** The element of an id of the page. */
export function byId<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/**
 * Makes `nodes` the children of an element. A child that is equal to its successor stays, and with it an open list, a selection or
 * a cursor; the focus goes to the successor with the same id.
 */
export function replaceChanged(parent: HTMLElement, nodes: readonly Node[]): void {
  const focused = document.activeElement?.id ?? "";
  const old = [...parent.childNodes];
  let next: ChildNode | null = parent.firstChild;
  for (const [i, node] of nodes.entries()) {
    const wanted = old[i]?.isEqualNode(node) ? old[i] : node;
    // One that stays is never moved: moving takes the focus, too.
    if (wanted === next) next = next.nextSibling;
    else parent.insertBefore(wanted, next);
  }
  while (next) {
    const after: ChildNode | null = next.nextSibling;
    next.remove();
    next = after;
  }
  if (focused !== "" && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
}

/** A table: the first column names its rows. */
export function table(
  head: readonly (Node | string)[],
  rows: readonly (readonly (Node | string)[])[],
): HTMLElement {
  const line = (cells: readonly (Node | string)[]) =>
    element(
      "tr",
      {},
      ...cells.map((cell, i) => (i === 0 ? element("th", { scope: "row" }, cell) : element("td", {}, cell))),
    );
  return element(
    "div",
    { class: "wide", tabindex: 0 },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...head.map((cell) => element("th", { scope: "col" }, cell)))),
      element("tbody", {}, ...rows.map(line)),
    ),
  );
}
