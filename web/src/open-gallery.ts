/** Fetches the gallery, and the picture that the page opens with. */

import type { App } from "./app.js";
import { type Gallery, galleryPicture, listed } from "./gallery.js";
import { sentence } from "./sentence.js";

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

/** Uses the link's picture, or else the first, unless another one is in use by then. */
async function useFirst(app: App, gallery: Gallery): Promise<void> {
  const wanted = app.linked?.file ?? null;
  const named = listed(gallery, wanted);
  if (wanted !== null && !named) app.missesLinked(wanted);
  const first = named ?? gallery.pictures[0];
  if (!first) return;
  try {
    const picture = await galleryPicture(gallery, first);
    if (!app.picture) app.usePicture(picture);
  } catch (error) {
    if (!app.picture) app.messages.show("gallery", sentence(error), () => useFirst(app, gallery));
  }
}
