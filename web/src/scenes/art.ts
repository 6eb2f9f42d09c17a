/** The drawings that the page composes scenes of, from its own server. */

import { UserError } from "../../../dist/index.js";
import { readArt, type SceneArt } from "../../../dist/scenes.js";

const folder = "data/scenes";

export interface ServedScenes {
  readonly art: SceneArt;
  /** Whether weights that were trained on scenes are served in weights/scenes. */
  readonly hasWeights: boolean;
}

/** Fetches the art. Throws a `UserError` that says which file is missing or damaged. */
export async function fetchScenes(): Promise<ServedScenes> {
  const [index, pixels, served] = await Promise.all([
    fetched("art.json").then((response) => response.text()),
    fetched("art.rgba.gz").then(unpacked),
    fetched("served.json").then((response) => response.json() as Promise<{ weights: boolean }>),
  ]);
  const files = {
    exists: async () => true,
    readText: async () => index,
    read: async () => pixels,
  };
  const hash = async (algorithm: string, data: Uint8Array | string) => {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data.slice();
    const digest = new Uint8Array(await crypto.subtle.digest(algorithm.toUpperCase(), bytes));
    return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const art = await readArt({ files, hash }, folder);
  if (!art)
    throw new UserError(`${folder}/art.json has another format than this page; reload without the cache.`);
  return { art, hasWeights: served.weights };
}

async function fetched(name: string): Promise<Response> {
  const address = `${folder}/${name}`;
  const response = await fetch(address).catch((error: unknown) => {
    throw new UserError(`Cannot fetch ${address}: ${error instanceof Error ? error.message : error}.`);
  });
  if (!response.ok)
    throw new UserError(`Cannot fetch ${address}: the server answered with status ${response.status}.`);
  return response;
}

/** A file's bytes. Some servers unpack .gz themselves. */
async function unpacked(response: Response): Promise<Uint8Array> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
