/** Random weights of a tiny captioner of scenes, as a folder. */

import { join } from "node:path";
import { SceneMaker } from "../../dist/data/scenes/maker.js";
import { referencesOf } from "../../dist/data/scenes/references.js";
import { SCENE_SPLITS } from "../../dist/data/scenes/splits.js";
import { nodePlatform } from "../../dist/platform/node.js";
import { WordTokenizer } from "../../dist/text/words.js";
import { sharedGpu } from "../device.js";
import { buildWith, saved } from "../tiny-captioner.js";
import { sceneArt as art } from "./scene-art.js";

const maker = new SceneMaker(art.things, art.sheet, { size: 32 });
/** The captions of the pictures that `--split pairs --limit 5` takes. */
const captions = [0, 200, 400, 600, 800].flatMap((i) =>
  referencesOf(maker.at("pairs", i), 1, SCENE_SPLITS.indexOf("pairs") * 2 ** 24 + i),
);
const tokenizer = WordTokenizer.build(
  captions.map(({ text }) => text),
  { minimumCount: 1 },
);

/** Writes `folder/name`, for 32×32 pictures and the words of five pairs. */
export async function writeSceneWeights(folder: string, name: string, ...set: string[]): Promise<void> {
  const settings = ["data.source=scenes", "data.subset=6", "data.imageSize=32", "data.maxLength=21", ...set];
  const captioner = buildWith(await sharedGpu(), tokenizer, ...settings);
  await captioner.save(nodePlatform.files, join(folder, name), await saved(captioner));
  captioner.dispose();
}
