/** The art of the scenes, from the user's cache or rendered into it. */
import { loadArt } from "../../dist/data/scenes/art.js";
import { cacheDirectory, modulesDirectory, nodePlatform } from "../../dist/platform/node.js";

export const sceneArt = await loadArt(nodePlatform, {
  folder: `${cacheDirectory()}/scenes`,
  modulesDirectory: modulesDirectory("emojibase-data"),
});
