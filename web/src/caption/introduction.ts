/** What the page does, in two sentences, with a strip that shows it and where to read more. */

import { h } from "../dom.js";
import { Strip } from "./strip.js";

const paper = "Image Captioning via Masked Conditional Diffusion";
const authors = "Zhou, Li, Tang, Kamei, Jiang and Morimoto";

export function introduction(): HTMLElement {
  const search = `https://scholar.google.com/scholar?q=${encodeURIComponent(`"${paper}"`)}`;
  return h(
    "section",
    { class: "introduction", "aria-label": "What this page does" },
    h(
      "p",
      {},
      "A small neural network writes captions for drawings, here in your browser. In training, the words of a caption fall into [MASK] step by step; to caption a picture, the network starts from masks alone and brings the words back.",
    ),
    new Strip().element,
    h(
      "p",
      { class: "quiet small" },
      `The method is from “${paper}” (${authors}; `,
      h("a", { href: search, rel: "noreferrer" }, "search for the paper"),
      "). ",
      h("a", { href: "model-card.html" }, "Model card"),
      " · ",
      h("a", { href: "source/index.html" }, "Source code"),
    ),
  );
}
