/** What the page does, in two sentences, with a strip that shows it. */

import { h } from "../dom.js";
import { Strip } from "./strip.js";

export function introduction(): HTMLElement {
  return h(
    "section",
    { class: "introduction", "aria-label": "What this page does" },
    h(
      "p",
      {},
      "A small neural network writes captions for drawings, here in your browser. During training, the words of a caption turn into [MASK] step by step; to caption a picture, the network starts from nothing but masks and brings the words back.",
    ),
    new Strip().element,
  );
}
