/** The gallery: its list, its pictures, and the picture that the page opens with. */

import type { App } from "./app.js";
import { fetchPicture, type Picture } from "./picture.js";
import { sentence } from "./sentence.js";

/** The list that web/gallery.js writes. */
export interface Gallery {
  pictures: {
    file: string;
    split: string;
    about: string;
    category: string;
    vendor: string;
    captions: string[];
  }[];
  /** What the search for examples where guidance matters found; null if none was made. */
  guidance: {
    /** Validation pictures that were searched. */
    searched: number;
    /** Seeds of each example. */
    seeds: number;
    /** ω of all methods. */
    scale: number;
    examples: {
      file: string;
      vendor: string;
      captions: string[];
      seed: number;
      /** Captions that are one of the references, by method. */
      rightOfSeeds: Record<string, number>;
    }[];
  } | null;
  vendors: Record<string, { name: string; by: string; licence: string }>;
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

/** A picture of the gallery by its file name. */
export const listed = ({ pictures }: Gallery, file: string | null): Gallery["pictures"][number] | undefined =>
  pictures.find((picture) => picture.file === file);

export async function galleryPicture(
  { vendors }: Gallery,
  {
    file,
    captions,
    about,
    vendor,
  }: Pick<Gallery["pictures"][number], "file" | "captions" | "about" | "vendor">,
): Promise<Picture> {
  const name = `${vendors[vendor]?.name}, held out: ${about}`;
  return { ...(await fetchPicture(`gallery/${file}`, name)), file, captions };
}
