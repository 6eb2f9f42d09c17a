/** Ways to provide a picture: drop, paste, choose a file, draw, or take one from the gallery. */

import { type App, sentence } from "./app.js";
import { button, h } from "./dom.js";
import { drawingPad } from "./drawing.js";
import { fetchPicture, type Picture, pictureOf, readPicture } from "./picture.js";

/** The list that web/gallery.js writes. */
export interface Gallery {
  pictures: { file: string; split: string; about: string; vendor: string; captions: string[] }[];
  vendors: Record<string, { name: string; by: string; licence: string }>;
}

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
  return h(
    "section",
    { class: "input", "aria-label": "Choose a picture" },
    h(
      "div",
      { class: "row" },
      file,
      h("label", { for: "file", class: "button" }, "Choose a file"),
      draw,
      h("span", { class: "quiet" }, "or drop or paste a picture, or choose a held-out emoji:"),
    ),
    pad,
    galleryStrip(app),
  );
}

/** Held-out emoji to choose from. */
export function galleryStrip(app: App): HTMLElement {
  const strip = h("div", { class: "gallery", role: "group", "aria-label": "Held-out emoji" });
  const credits = h("p", { class: "quiet small" });
  app.on("gallery", (gallery) => fill(app, gallery, strip, credits));
  if (app.gallery) fill(app, app.gallery, strip, credits);
  return h("div", {}, strip, credits);
}

/** Fetches the gallery, and uses its first picture if none is in use yet. */
export async function loadGallery(app: App): Promise<void> {
  try {
    const response = await fetch("gallery/gallery.json");
    if (!response.ok) throw new Error(`the server answered with status ${response.status}`);
    app.useGallery((await response.json()) as Gallery);
    app.messages.over("gallery");
  } catch (error) {
    app.messages.show("gallery", `The gallery cannot be fetched: ${sentence(error)}`, () => loadGallery(app));
    return;
  }
  await useFirst(app, app.gallery!);
}

/** Uses the first picture, unless another one is in use by then. */
async function useFirst(app: App, gallery: Gallery): Promise<void> {
  const [first] = gallery.pictures;
  if (!first) return;
  try {
    const picture = await galleryPicture(gallery, first);
    if (!app.picture) app.usePicture(picture);
  } catch (error) {
    if (!app.picture) app.messages.show("gallery", sentence(error), () => useFirst(app, gallery));
  }
}

async function galleryPicture(
  { vendors }: Gallery,
  { file, captions, about, vendor }: Gallery["pictures"][number],
): Promise<Picture> {
  const name = `${vendors[vendor]?.name}, held out: ${about}`;
  return { ...(await fetchPicture(`gallery/${file}`, name)), file, captions };
}

const choose = (app: App, gallery: Gallery, picture: Gallery["pictures"][number]): Promise<void> =>
  app.choosePicture(galleryPicture(gallery, picture), () => choose(app, gallery, picture));

function fill(app: App, gallery: Gallery, strip: HTMLElement, credits: HTMLElement): void {
  const { pictures, vendors } = gallery;
  for (const picture of pictures) {
    const { file, about, vendor, captions } = picture;
    const title = `${captions[0]} (${vendors[vendor]?.name}; ${about})`;
    const image = h("img", { src: `gallery/${file}`, alt: "", width: 44, height: 44, loading: "lazy" });
    const item = h("button", { type: "button", title, "aria-label": title, "aria-pressed": "false" }, image);
    item.addEventListener("click", () => void choose(app, gallery, picture));
    app.on("picture", (used) => item.setAttribute("aria-pressed", String(used.file === file)));
    item.setAttribute("aria-pressed", String(app.picture?.file === file));
    strip.append(item);
  }
  const names = Object.values(vendors).map(({ name, by, licence }) => `${name} (${by}, ${licence})`);
  credits.textContent = `None of these pictures is in the training data. Artwork: ${names.join(", ")}.`;
}
