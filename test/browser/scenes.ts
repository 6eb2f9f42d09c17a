/** Scenes as a page makes them, beside those of Node (scenes.test.ts). */
import { browserPlatform } from "../../dist/platform/browser.js";
import { readArt } from "../../dist/scenes.js";
import { test } from "../harness.js";
import { describeScenes, type SceneDescription } from "./scene-descriptions.js";

const inNode = (await (await fetch("/scenes.json")).json()) as SceneDescription[];
const { hash } = browserPlatform;
const files = {
  exists: async () => true,
  readText: async (path: string) => (await fetch(path)).text(),
  read: async (path: string) => new Uint8Array(await (await fetch(path)).arrayBuffer()),
};

test("a page composes the same scenes as Node, to the bit", async (t) => {
  const art = await readArt({ files, hash }, "/art");
  const here = await describeScenes({ hash }, art!);
  t.equal(here.length, inNode.length, `${inNode.length} scenes`);
  for (const [i, { id, pixels, truth }] of inNode.entries()) {
    t.equal(here[i]!.pixels, pixels, `${id}: pixels`);
    t.equal(here[i]!.truth, truth, `${id}: captions and boxes`);
  }
});
