/** The gallery: its list and its pictures. */

import { fetchPicture, type Picture } from "./picture.js";

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
