/** Creates elements in one call. */

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Creates an element with attributes (true: present without a value; false: absent) and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** A button that calls `action` when it is pressed. */
export function button(text: string, action: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const element = h("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", action);
  return element;
}

/** A figure with its caption below. */
export const captioned = (content: HTMLElement, ...caption: (Node | string)[]): HTMLElement =>
  h("figure", {}, content, h("figcaption", { class: "quiet" }, ...caption));

/** Saves a file as a download. */
export function download(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  h("a", { href: address, download: name }).click();
  // The download has begun when the click returns, but browsers read the content later.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** The element with that id, which must exist. */
export function byId(id: string): HTMLElement {
  return document.getElementById(id)!;
}

/** A control with its label in front. */
export function field(label: string, control: HTMLElement, ...after: (Node | string)[]): HTMLLabelElement {
  return h("label", { class: "field" }, h("span", {}, label), control, ...after);
}

/** A share in percent, with one decimal place below 10 %. A share above 0 is never shown as "0 %". */
export function percent(share: number): string {
  const value = 100 * share;
  if (value > 0 && value < 0.05) return "< 0.1 %";
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : value.toFixed(0)} %`;
}
