/** Some scenes of each split as hashes, captions and boxes, to compare between Node and pages. */
import type { Platform } from "../../dist/platform/platform.js";
import { SCENE_SPLITS, type SceneArt, scenesDataset } from "../../dist/scenes.js";

export interface SceneDescription {
  readonly id: string;
  /** SHA-256 of the pixels. */
  readonly pixels: string;
  /** Captions with the words that they mark, and the boxes. */
  readonly truth: string;
}

export async function describeScenes(
  platform: Pick<Platform, "hash">,
  art: SceneArt,
): Promise<SceneDescription[]> {
  const descriptions: SceneDescription[] = [];
  for (const size of [96, 128]) {
    const dataset = await scenesDataset(platform, art, { size, trainingScenes: 100 });
    for (const split of SCENE_SPLITS) {
      for (const record of dataset.splits[split]!.slice(0, 5)) {
        const { id, image } = dataset.records[record]!;
        const pixels = new Uint8Array(size ** 2 * 3);
        await dataset.images.read([image], pixels);
        const { captions, boxes } = dataset.annotated(image);
        descriptions.push({
          id: `${id} at ${size}`,
          pixels: await platform.hash("sha-256", pixels),
          truth: JSON.stringify([captions, boxes]),
        });
      }
    }
  }
  return descriptions;
}
