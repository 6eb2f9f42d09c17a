/**
 * The data set `scenes`, `mc-diffusion/scenes`: pictures of one to four drawings with ten captions each, whose words know the object and
 * the box that they are about. Nothing here needs Node: pages read the art that `writeArt` wrote.
 *
 * @module mc-diffusion/scenes
 */

export { artOf, loadArt, readArt, type SceneArt, writeArt } from "./data/scenes/art.js";
export { COLOUR_NAMES, type Colour, type Ground, type Rgb } from "./data/scenes/background.js";
export { CaptionReader } from "./data/scenes/caption-reader.js";
export type {
  ClaimedRelation,
  ClaimedWord,
  Claims,
  GroundClaim,
  LineClaim,
  NounClaim,
  NounReading,
  PlaceClaim,
  RelationClaim,
} from "./data/scenes/claims.js";
export { compose, visibleBoxes } from "./data/scenes/compose.js";
export {
  type AnnotatedScene,
  type CaptionedScene,
  HELD_OUT_SCENES,
  isScenes,
  OwnPainter,
  type Painter,
  type SceneNumber,
  type ScenesDataset,
  type ScenesOptions,
  scenesDataset,
  TRAINING_SCENES,
} from "./data/scenes/dataset.js";
export { areNextTo, type Box, RELATIONS, type Relation, relationOf, union } from "./data/scenes/geometry.js";
export { type Drawings, mayBeConfused, SceneMaker } from "./data/scenes/maker.js";
export type { Role } from "./data/scenes/phrases.js";
export { type PlacedObject, type PlacedScene, placedScene } from "./data/scenes/placed.js";
export {
  type AnnotatedCaption,
  type AnnotatedWord,
  REFERENCES,
  referencesOf,
} from "./data/scenes/references.js";
export {
  type Arrangement,
  type Entity,
  entityBox,
  entityRelation,
  type Scene,
  type SceneObject,
  SIDES,
  type SizeClass,
} from "./data/scenes/scene.js";
export { belongsTo, type HeldOut, heldOutIn, SCENE_SPLITS, type SceneSplit } from "./data/scenes/splits.js";
export { type SheetEntry, type Sprite, SpriteSheet } from "./data/scenes/sprites.js";
export { CaptionSwapper, SWAPS, type Swap, type SwappedCaption } from "./data/scenes/swapped.js";
export { type Drawing, type Gender, type Name, type Thing, TONES, type Tone } from "./data/scenes/things.js";
export { type ToldPhrase, toldPhrases } from "./data/scenes/told.js";
export { type CaptionTruth, truthOf } from "./data/scenes/truth.js";
export {
  type CaptionedScenes,
  TRUTH_NAMES,
  type TruthMetric,
  type TruthName,
  truthMetrics,
} from "./data/scenes/truth-scores.js";
export { USUAL } from "./data/scenes/usual.js";
export { cellsOf, type Region, regionOf } from "./evaluation/alignment/regions.js";
