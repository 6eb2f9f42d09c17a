/** Permanent links to scenes: what the scene is drawn again from, and the settings of its caption, in the part of the address after #. */

import type { PlacedObject, Thing } from "../../../dist/scenes.js";
import { linkTo, readLink } from "../caption/link.js";
import type { NamedSampling, Sampling } from "../caption/settings.js";
import type { Recipe } from "./composition.js";

const vendors = ["noto", "twemoji", "fluent-emoji-flat"] as const;

/** The part of an address after # for the tab Scenes. `hidden`: numbers of the objects whose codes are hidden. */
export function linkToScene(recipe: Recipe, sampling: Sampling, hidden: ReadonlySet<number>): string {
  const { scene, ground, objects } = recipe;
  const query = new URLSearchParams(
    linkTo({ file: null, codes: null }, sampling, null).replace(/^[^?]*/, ""),
  );
  query.set("scene", String(scene));
  if (ground !== scene) query.set("ground", String(ground));
  if (objects) query.set("objects", objects.map(written).join("~"));
  if (hidden.size > 0) query.set("hidden", [...hidden].join("~"));
  return `#scenes?${query}`;
}

/** Reads the part of an address after #; null if it names no scene. Objects that the page does not have are left out. */
export function readSceneLink(
  hash: string,
  things: readonly Thing[],
): { recipe: Recipe; sampling: NamedSampling; hidden: Set<number> } | null {
  const query = new URLSearchParams(hash.replace(/^[^?]*/, ""));
  const scene = whole(query.get("scene"));
  if (scene === null) return null;
  const objects = query.get("objects");
  return {
    recipe: {
      scene,
      ground: whole(query.get("ground")) ?? scene,
      objects: objects === null ? null : objects.split("~").flatMap((text) => read(text, things) ?? []),
    },
    sampling: readLink(hash)?.sampling ?? {},
    hidden: new Set((query.get("hidden") ?? "").split("~").flatMap((text) => whole(text) ?? [])),
  };
}

/** A whole number from 0 to 2^32 - 1; null for anything else. */
function whole(text: string | null): number | null {
  return text !== null && /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 ? Number(text) : null;
}

const written = ({ thing, drawing, vendor, side, x, y, mirrored }: PlacedObject): string =>
  [
    thing.name.replaceAll(" ", "_"),
    thing.drawings.findIndex(({ code }) => code === drawing.code),
    (vendors as readonly string[]).indexOf(vendor),
    x,
    y,
    side,
    Number(mirrored),
  ].join(".");

function read(text: string, things: readonly Thing[]): PlacedObject | null {
  const [name = "", ...rest] = text.split(".");
  const thing = things.find((one) => one.name === name.replaceAll("_", " "));
  const numbers = rest.map(whole);
  if (!thing || numbers.length !== 6 || numbers.includes(null)) return null;
  const [form, by, x, y, side, mirrored] = numbers as [number, number, number, number, number, number];
  const drawing = thing.drawings[form];
  const vendor = vendors[by];
  return drawing && vendor ? { thing, drawing, vendor, x, y, side, mirrored: mirrored === 1 } : null;
}
