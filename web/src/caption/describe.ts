/** Sentences of the Caption tab: about the picture, and about what denoising again will do. */

import type { Picture } from "../picture.js";
import type { Mark } from "../word-row.js";

/** The picture's name, remarks and reference captions. */
export function describe({ name, note, captions }: Picture): string {
  const people =
    captions.length > 0 ? ` Reference captions: ${captions.map((text) => `“${text}”`).join(", ")}.` : "";
  return `${name}.${note ? ` ${note}` : ""}${people}`;
}

/** What denoising again does with the user's marks. */
export function planOf(marks: ReadonlyMap<number, Mark>): string {
  const kinds = [...marks.values()].map(({ kind }) => kind);
  const locked = kinds.filter((kind) => kind === "locked").length;
  const masked = kinds.length - locked;
  const what = [locked ? `${locked} locked` : "", masked ? `${masked} masked` : ""]
    .filter(Boolean)
    .join(", ");
  const fate = masked
    ? "only masked words will be denoised again"
    : "all words that are not locked will be denoised again";
  return `${what}: ${fate}.`;
}
