/** Ways to provide a picture: drop, paste, choose a file, draw, use the camera, or take one from the gallery. */

import type { App } from "./app.js";
import { Camera } from "./camera.js";
import { button, field, h } from "./dom.js";
import { drawingPad } from "./drawing.js";
import { type Gallery, galleryPicture } from "./gallery.js";
import { pictureOf, readPicture } from "./picture.js";

/** Accepts pictures dropped onto a panel, and pasted while that panel is visible. */
export function acceptPictures(panel: HTMLElement, app: App): void {
  const offer = (files: readonly File[], none: string) => {
    const file = files[0];
    if (file) void app.choosePicture(readPicture(file, file.name));
    else app.messages.show("picture", none);
  };
  panel.addEventListener("dragover", (event) => {
    event.preventDefault();
    panel.classList.add("dropping");
  });
  for (const end of ["dragleave", "drop"] as const)
    panel.addEventListener(end, () => panel.classList.remove("dropping"));
  panel.addEventListener("drop", (event) => {
    event.preventDefault();
    offer([...(event.dataTransfer?.files ?? [])], "That is not a file; drop a picture file.");
  });
  document.addEventListener("paste", (event) => {
    if (panel.hidden || event.target instanceof HTMLInputElement) return;
    offer([...(event.clipboardData?.files ?? [])], "There is no picture on the clipboard.");
  });
}

/** File, paste, drawing and gallery, in a row. */
export function pictureInput(app: App): HTMLElement {
  const file = h("input", {
    type: "file",
    accept: "image/png,image/jpeg,image/webp",
    id: "file",
    class: "out-of-sight",
  });
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    if (chosen) void app.choosePicture(readPicture(chosen, chosen.name));
    // Let the user choose the same file again, after changing it.
    file.value = "";
  });
  const pad = drawingPad((canvas) => app.choosePicture(Promise.resolve(pictureOf(canvas, "your drawing"))));
  pad.hidden = true;
  const draw = button("Draw", () => {
    pad.hidden = !pad.hidden;
    draw.setAttribute("aria-expanded", String(!pad.hidden));
  });
  draw.setAttribute("aria-expanded", "false");
  const camera = new Camera(app);
  const film = button("Camera", async () => {
    if (camera.isOpen) camera.close();
    else await camera.open();
    film.setAttribute("aria-expanded", String(camera.isOpen));
  });
  film.setAttribute("aria-expanded", "false");
  // A camera that nobody sees must not go on.
  app.on("tab", (id) => {
    if (id === "caption" || !camera.isOpen) return;
    camera.close();
    film.setAttribute("aria-expanded", "false");
  });
  return h(
    "section",
    { class: "input", "aria-label": "Choose a picture" },
    h(
      "div",
      { class: "row" },
      file,
      h("label", { for: "file", class: "button" }, "Choose a file"),
      draw,
      film,
      h(
        "span",
        { class: "quiet" },
        "or drop or paste a picture, or choose an emoji that was not in the training data:",
      ),
    ),
    pad,
    camera.element,
    galleryStrip(app),
  );
}

/** Held-out emoji to choose from, by category and by the words of their captions. */
export function galleryStrip(app: App): HTMLElement {
  const strip = h("div", { class: "gallery", role: "group", "aria-label": "Held-out emoji" });
  const credits = h("p", { class: "quiet small" });
  const category = h("select", {}, h("option", { value: "" }, "all"));
  const search = h("input", { type: "search", size: 12, autocomplete: "off", spellcheck: "false" });
  const count = h("span", { class: "quiet small", role: "status" });
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const items = [...strip.children] as HTMLElement[];
    for (const item of items) {
      const { category: own = "", text = "" } = item.dataset;
      item.hidden =
        (category.value !== "" && own !== category.value) || !words.every((word) => text.includes(word));
    }
    const shown = items.filter((item) => !item.hidden).length;
    count.textContent = shown === items.length ? "" : `${shown} of ${items.length} pictures`;
  };
  category.addEventListener("change", filter);
  search.addEventListener("input", filter);
  const show = (gallery: Gallery) => {
    fill(app, gallery, strip, credits);
    for (const name of [...new Set(gallery.pictures.map(({ category }) => category))].sort())
      category.append(h("option", { value: name }, name));
  };
  app.on("gallery", show);
  if (app.gallery) show(app.gallery);
  return h(
    "div",
    {},
    h("div", { class: "row filters" }, field("Category", category), field("Search", search), count),
    strip,
    credits,
  );
}

const choose = (app: App, gallery: Gallery, picture: Gallery["pictures"][number]): Promise<void> =>
  app.choosePicture(galleryPicture(gallery, picture), () => choose(app, gallery, picture));

function fill(app: App, gallery: Gallery, strip: HTMLElement, credits: HTMLElement): void {
  const { pictures, vendors } = gallery;
  for (const picture of pictures) {
    const { file, about, category, vendor, captions } = picture;
    const title = `${captions[0]} (${vendors[vendor]?.name}; ${about})`;
    const image = h("img", { src: `gallery/${file}`, alt: "", width: 44, height: 44, loading: "lazy" });
    const item = h("button", { type: "button", title, "aria-label": title, "aria-pressed": "false" }, image);
    item.dataset.category = category;
    item.dataset.text = captions.join(" ").toLowerCase();
    item.addEventListener("click", () => void choose(app, gallery, picture));
    app.on("picture", (used) => item.setAttribute("aria-pressed", String(used.file === file)));
    item.setAttribute("aria-pressed", String(app.picture?.file === file));
    strip.append(item);
  }
  const names = Object.values(vendors).map(({ name, by, licence }) => `${name} (${by}, ${licence})`);
  credits.textContent = `None of these pictures is in the training data. Artwork: ${names.join(", ")}.`;
}
