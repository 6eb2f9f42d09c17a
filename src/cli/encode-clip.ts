/** `node dist/encode.js --clip`: features of pictures and texts, and their cosines. */

import { cosine } from "../metrics/clip-score.js";
import { Clip, type ClipText } from "../models/clip/clip.js";
import { UserError } from "../platform/errors.js";
import { decodePixels, nodePlatform as platform } from "../platform/node.js";
import { shown } from "../platform/shown.js";
import { openComputingGpu } from "./options.js";
import { say } from "./terminal.js";

/** What the command line asks for. */
export interface EncodeClipOptions {
  /** The folder of the CLIP. */
  clip: string;
  pictures: readonly string[];
  texts: readonly string[];
  /** Texts as token ids, each a list such as "49406,320,3329,49407". */
  tokens: readonly string[];
  json?: boolean | undefined;
  adapter?: string | undefined;
  tuning?: string | undefined;
}

/** A picture or a text with its features. */
interface Encoded {
  name: string;
  tokens?: number[];
  features: Float32Array;
}

/** Reads "49406,320,3329,49407". Throws a `UserError` of exit code 2. */
function parseTokens(list: string): number[] {
  const ids = list.split(/[\s,]+/).filter((id) => id !== "");
  if (ids.length > 0 && ids.every((id) => /^\d+$/.test(id))) return ids.map(Number);
  throw new UserError(`--tokens ${shown(list, 80)}: it should be token ids, as in 49406,320,3329,49407`, 2);
}

/** Prints the features of every picture and text, and the cosine of every picture with every text. */
export async function encodeWithClip(options: EncodeClipOptions): Promise<void> {
  const { pictures, texts, json } = options;
  const given: ClipText[] = [...texts, ...options.tokens.map(parseTokens)];
  if (pictures.length + given.length === 0)
    throw new UserError("nothing to encode: name pictures, or texts by --text", 2);
  const pixels = [];
  for (const file of pictures) {
    const bytes = await platform.files.read(file);
    try {
      pixels.push(await decodePixels(bytes));
    } catch (error) {
      throw error instanceof UserError ? new UserError(`${file}: ${error.message}`) : error;
    }
  }
  const gpu = await openComputingGpu(options.adapter, json, options.tuning);
  const clip = await Clip.fromFolder(gpu, platform.files, options.clip);
  const width = clip.shape.features;
  const part = (values: Float32Array, i: number) => values.subarray(i * width, (i + 1) * width);
  const ids = given.map((text) => Array.from(clip.idsOf(text)));
  const [ofPictures, ofTexts] = [await clip.encodeImages(pixels), await clip.encodeTexts(ids)];
  const shownPictures = pictures.map((name, i): Encoded => ({ name, features: part(ofPictures, i) }));
  const shownTexts = given.map(
    (text, i): Encoded => ({
      name: typeof text === "string" ? text : Array.from(text).join(","),
      tokens: ids[i]!,
      features: part(ofTexts, i),
    }),
  );
  for (const line of json ? jsonLines(shownPictures, shownTexts) : lines(shownPictures, shownTexts))
    say(line);
  clip.dispose();
}

/** One object for each pair of picture and text, or for each picture or text if there are only those. */
function jsonLines(pictures: readonly Encoded[], texts: readonly Encoded[]): string[] {
  const picture = ({ name, features }: Encoded) => ({ file: name, imageFeatures: Array.from(features) });
  const text = ({ name, tokens, features }: Encoded) => ({
    text: name,
    tokens,
    textFeatures: Array.from(features),
  });
  if (texts.length === 0) return pictures.map((one) => JSON.stringify(picture(one)));
  if (pictures.length === 0) return texts.map((one) => JSON.stringify(text(one)));
  return pictures.flatMap((one) =>
    texts.map((other) => {
      const pair = { ...picture(one), ...text(other), cosine: cosine(one.features, other.features) };
      return JSON.stringify(pair);
    }),
  );
}

/** The lengths and first numbers of the features, and the cosines, for reading. */
function lines(pictures: readonly Encoded[], texts: readonly Encoded[]): string[] {
  const start = ({ name, features }: Encoded) => {
    const first = Array.from(features.subarray(0, 4), (value) => value.toFixed(4)).join(" ");
    return `${shown(name)}: ${features.length} features: ${first} …`;
  };
  const pairs = pictures.flatMap((picture) =>
    texts.map(
      (text) =>
        `${cosine(picture.features, text.features).toFixed(4)}  ${shown(picture.name)}  ${shown(text.name)}`,
    ),
  );
  return [...pictures.map(start), ...texts.map(start), ...pairs];
}
