/** The data set `scenes`: pictures that are composed when they are read, with captions that are written when they are asked for. */

import { UserError } from "../../platform/errors.js";
import type { Platform } from "../../platform/platform.js";
import { attributesOf } from "../../text/attributes.js";
import { type CaptionedImage, type Dataset, type Images, splitsOf } from "../dataset.js";
import type { SceneArt } from "./art.js";
import { compose, visibleBoxes } from "./compose.js";
import type { Box } from "./geometry.js";
import { SceneMaker } from "./maker.js";
import { type AnnotatedCaption, referencesOf } from "./references.js";
import type { Scene } from "./scene.js";
import { shownAt } from "./shown.js";
import { SCENE_SPLITS, type SceneSplit } from "./splits.js";

/** Training scenes if nothing else is asked for. */
export const TRAINING_SCENES = 100_000;
/** Scenes of each other split. */
export const HELD_OUT_SCENES = 1000;
/** Scenes that are kept after they were asked for. */
const RECENT_SCENES = 512;
/** Raise this when the same art gives other scenes or captions. */
const SCENES_VERSION = 1;

/** A scene by its split and its number there. */
export interface SceneNumber {
  readonly split: SceneSplit;
  readonly index: number;
}

/** Composes pictures [n, size, size, 3] into `target`, here or on other threads. */
export interface Painter {
  /** Writes the pictures one after the other. */
  paint(scenes: readonly SceneNumber[], target: Uint8Array): Promise<void>;
  /** Ends threads, if there are any. */
  close(): Promise<void>;
}

/** A scene and its captions. */
export interface CaptionedScene {
  readonly scene: Scene;
  readonly captions: readonly AnnotatedCaption[];
}

/** A scene, its captions, and the boxes of what is visible of its objects (null: nothing). */
export interface AnnotatedScene extends CaptionedScene {
  readonly boxes: readonly (Box | null)[];
}

/** A scene, and its captions once they were asked for. */
interface RecentScene {
  readonly scene: Scene;
  captions?: readonly AnnotatedCaption[];
}

/** A data set that knows what its pictures show. */
export interface ScenesDataset extends Dataset {
  /** The things and drawings that its pictures are made of. */
  readonly art: SceneArt;
  /** The scene of picture `image`. */
  scene(image: number): Scene;
  /** The scene of picture `image`, with its captions. */
  captioned(image: number): CaptionedScene;
  /** The scene of picture `image`, with its ground truth. */
  annotated(image: number): AnnotatedScene;
}

/** Whether a data set knows what its pictures show. */
export function isScenes(dataset: Dataset): dataset is ScenesDataset {
  return "annotated" in dataset;
}

/** How many scenes, and how large. */
export interface ScenesOptions {
  /** Side of the pictures in pixels, at least 32. */
  readonly size: number;
  /** Training scenes, 1 or more; default `TRAINING_SCENES`. More than there are steps cost time at the start alone. */
  readonly trainingScenes?: number;
  /** Seed of every scene; default 1. */
  readonly seed?: number;
  /** Default: composes on this thread. */
  readonly painter?: Painter;
}

/** Composes on the thread that it is called on. */
export class OwnPainter implements Painter {
  readonly #maker: SceneMaker;
  readonly #art: SceneArt;

  constructor(art: SceneArt, options: { size: number; seed: number }) {
    this.#maker = new SceneMaker(art.things, art.sheet, options);
    this.#art = art;
  }

  /** Writes the pictures one after the other. */
  async paint(scenes: readonly SceneNumber[], target: Uint8Array): Promise<void> {
    this.paintNow(scenes, target);
  }

  /** `paint`, done when it returns. */
  paintNow(scenes: readonly SceneNumber[], target: Uint8Array): void {
    const bytes = this.#maker.size ** 2 * 3;
    for (const [i, { split, index }] of scenes.entries()) {
      compose(this.#maker.at(split, index), this.#art.sheet, target.subarray(i * bytes, (i + 1) * bytes));
    }
  }

  /** Nothing is open. */
  async close(): Promise<void> {}
}

/** The data set of some art. Throws a `UserError` for sizes that are too small. */
export async function scenesDataset(
  { hash }: Pick<Platform, "hash">,
  art: SceneArt,
  {
    size,
    trainingScenes = TRAINING_SCENES,
    seed = 1,
    painter = new OwnPainter(art, { size, seed }),
  }: ScenesOptions,
): Promise<ScenesDataset> {
  if (!Number.isInteger(size) || size < 32)
    throw new UserError(
      `pictures of scenes must be at least 32 pixels wide, not ${size}; set data.imageSize`,
    );
  if (!Number.isInteger(trainingScenes) || trainingScenes < 1)
    throw new UserError(`there must be at least 1 training scene, not ${trainingScenes}; set data.subset`);
  const maker = new SceneMaker(art.things, art.sheet, { size, seed });
  const numbers = SCENE_SPLITS.flatMap((split): SceneNumber[] => {
    const count = split === "train" ? trainingScenes : HELD_OUT_SCENES;
    return Array.from({ length: count }, (_, index) => ({ split, index }));
  });
  const pixels = await hash("sha-256", art.sheet.pixels);
  const names = art.things.map(({ name }) => name);
  const content = (
    await hash("sha-256", JSON.stringify([SCENES_VERSION, pixels, size, seed, ...names]))
  ).slice(0, 16);
  // A batch asks for its scenes, captions and places one after the other.
  const recent = new Map<number, RecentScene>();
  const recentOf = (image: number): RecentScene => {
    const known = recent.get(image);
    if (known) return known;
    const made = { scene: maker.at(numbers[image]!.split, numbers[image]!.index) };
    recent.set(image, made);
    if (recent.size > RECENT_SCENES) recent.delete(recent.keys().next().value!);
    return made;
  };
  const sceneOf = (image: number) => recentOf(image).scene;
  const captionsOf = (image: number): CaptionedScene => {
    const { split, index } = numbers[image]!;
    const own = recentOf(image);
    own.captions ??= referencesOf(own.scene, seed, SCENE_SPLITS.indexOf(split) * 2 ** 24 + index);
    return { scene: own.scene, captions: own.captions };
  };
  const images: Images = {
    count: numbers.length,
    read: (wanted, target) =>
      painter.paint(
        Array.from(wanted, (number) => numbers[number]!),
        target,
      ),
    content: (number) => `${content}-${number}`,
    close: () => painter.close(),
  };
  const records = numbers.map(({ split, index }, image) =>
    recordOf(split, index, image, () => captionsOf(image).captions.map(({ text }) => text)),
  );
  const thingNumbers = new Map(art.things.map((thing, number) => [thing, number]));
  const allShown = (
    wanted: ArrayLike<number>,
    side: number,
    ground: number,
    numberOf: (entity: number, scene: Scene) => number,
  ) => {
    const all = new Uint32Array(wanted.length * side * side);
    for (let i = 0; i < wanted.length; i++) {
      const scene = sceneOf(wanted[i]!);
      const places = all.subarray(i * side * side, (i + 1) * side * side);
      shownAt(scene, { side, ground, numberOf: (entity) => numberOf(entity, scene) }, places);
    }
    return all;
  };
  return {
    name: "scenes",
    size,
    images,
    records,
    splits: splitsOf(records),
    shown: {
      things: art.things.length,
      at: (wanted, side) =>
        allShown(
          wanted,
          side,
          art.things.length,
          (entity, scene) => thingNumbers.get(scene.entities[entity]!.thing)!,
        ),
    },
    referents: {
      at: (wanted, side, none) => allShown(wanted, side, none, (entity) => entity),
      words(image, number) {
        const { scene, captions } = captionsOf(image);
        return captions[number]!.words.flatMap(({ start, end, objects }) => {
          const [thing, ...others] = new Set(objects.map((object) => scene.objects[object]!.entity));
          return thing === undefined || others.length > 0 ? [] : [{ start, end, thing }];
        });
      },
    },
    art,
    scene: sceneOf,
    captioned: captionsOf,
    annotated(image) {
      const { scene, captions } = captionsOf(image);
      return { scene, captions, boxes: visibleBoxes(scene, art.sheet) };
    },
  };
}

/** A record whose captions are written when they are first read: most of 100,000 scenes are not looked at in a short run. */
function recordOf(split: SceneSplit, index: number, image: number, write: () => string[]): CaptionedImage {
  let captions: string[] | undefined;
  const written = () => {
    captions ??= write();
    return captions;
  };
  return {
    id: `${split}/${String(index).padStart(6, "0")}`,
    image,
    split,
    keywordCaptions: [],
    get captions() {
      return written();
    },
    get attributes() {
      return attributesOf(written()[0]!);
    },
  };
}
