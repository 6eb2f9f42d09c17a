/** Asks before something is lost. */

import { button, h } from "./dom.js";

/** Shows a question with its consequence; true if the user agrees. Closing the dialog keeps everything. */
export function confirmed(question: string, consequence: string, agree: string): Promise<boolean> {
  return new Promise((resolve) => {
    const keep = button("Keep it", () => dialog.close(), { autofocus: true });
    const dialog = h(
      "dialog",
      { "aria-label": question },
      h("p", {}, h("strong", {}, question)),
      h("p", {}, consequence),
      h(
        "div",
        { class: "row" },
        keep,
        button(agree, () => dialog.close("agreed")),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "agreed");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
