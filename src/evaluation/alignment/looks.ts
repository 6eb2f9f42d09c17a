/** Measures on one caption of one scene: where its words look, and what happens to their probabilities when the picture changes. */

import type { Box } from "../../data/scenes/geometry.js";
import type { Role } from "../../data/scenes/phrases.js";
import type { Scene, SizeClass } from "../../data/scenes/scene.js";
import type { ToldPhrase } from "../../data/scenes/told.js";
import { EDITS, type Edit, type EditedScene } from "./edits.js";
import { type AttentionLook, aucOf, cellsOf, elsewhere, lookAt, type Region, regionOf } from "./regions.js";

/** A phrase by the positions of its tokens in the caption. */
export interface PlacedPhrase extends Pick<ToldPhrase, "role" | "objects" | "holds"> {
  /** Its content words. */
  readonly text: string;
  readonly positions: readonly number[];
}

/** What is asked of a model: one caption under several conditions. */
export interface WordQuestion {
  /** The caption x_0, L tokens. */
  readonly tokens: Uint32Array;
  /** For each phrase the positions that are hidden together from the network, which then says how likely their tokens are. */
  readonly hidden: readonly (readonly number[])[];
  /** Codes [S] of pictures; the first is the picture itself. A masked code is `WordModel.maskedCode`. */
  readonly conditions: readonly Uint32Array[];
}

/** The answer to a `WordQuestion`. */
export interface WordAnswer {
  /** For each condition the log-probability of each phrase: the sum over its tokens, nats. */
  readonly logProbabilities: readonly Float64Array[];
  /** For each phrase the attention [S] of its hidden positions under the first condition, their mean. */
  readonly attention: readonly Float32Array[];
}

/** A model whose words are measured. */
export interface WordModel {
  /** Codes of a picture: side². */
  readonly side: number;
  readonly maskedCode: number;
  ask(question: WordQuestion): Promise<WordAnswer>;
}

/** What one phrase looks at. */
export interface PhraseLook {
  readonly role: Role;
  readonly text: string;
  /** Numbers of the objects that it is about. */
  readonly objects: readonly number[];
  /** The size of the thing that it is about; null for several things. */
  readonly size: SizeClass | null;
  /** Its log-probability, nats. */
  readonly logProbability: number;
  readonly attention: AttentionLook;
  /** Normalised attention [S]. */
  readonly map: Float32Array;
  /** Change of its log-probability when the codes of its own region are hidden. */
  readonly own: number;
  /** Mean change of the phrases about other things, or about the ground, when the codes of this region are hidden; NaN without any. */
  readonly others: number;
  /** Chance that hiding its own region costs it more than hiding the same shape elsewhere; NaN where there is no room. */
  readonly regionAuc: number;
}

/** What one edit did. */
export interface EditLook {
  readonly edit: Edit;
  /** Mean change of the log-probability of phrases that the edit made false, and of those that stay true; NaN without any. */
  readonly madeFalse: number;
  readonly stillTrue: number;
  /** Chance that a phrase made false loses more than one that stays true. */
  readonly auc: number;
}

/** All measures of one caption. */
export interface CaptionLooks {
  readonly phrases: readonly PhraseLook[];
  readonly edits: readonly EditLook[];
}

/** A picture to measure. */
export interface MeasuredPicture {
  readonly scene: Scene;
  /** What is visible of each object. */
  readonly boxes: readonly (Box | null)[];
  readonly codes: Uint32Array;
  readonly tokens: Uint32Array;
  readonly phrases: readonly PlacedPhrase[];
  /** The edits that are possible, with the codes of the pictures drawn anew. */
  readonly edits: readonly (EditedScene & { readonly edit: Edit; readonly codes: Uint32Array })[];
}

/** The region of some objects, and the conditions under which it is hidden. */
interface Hiding {
  readonly objects: readonly number[];
  readonly region: Region;
  /** Number of the condition without the region's codes, and of those without the same shape elsewhere. */
  readonly own: number;
  readonly elsewhere: readonly number[];
}

/** Measures a caption. `regions`: most places elsewhere that are compared with a phrase's own. Null if none of its phrases can be measured. */
export async function measureCaption(
  model: WordModel,
  picture: MeasuredPicture,
  { regions = 4 }: { regions?: number } = {},
): Promise<CaptionLooks | null> {
  const { scene, phrases, tokens } = picture;
  if (phrases.length === 0) return null;
  const conditions = [picture.codes];
  const without = (cells: readonly number[]) => {
    const codes = picture.codes.slice();
    for (const cell of cells) codes[cell] = model.maskedCode;
    return conditions.push(codes) - 1;
  };
  const hidings = new Map<string, Hiding>();
  for (const { objects } of phrases) {
    const boxes = objects.flatMap((number) => picture.boxes[number] ?? []);
    if (boxes.length === 0 || hidings.has(objects.join())) continue;
    const region = regionOf(boxes, scene.size, model.side);
    const cells = cellsOf(region);
    const own = without(cells);
    const others = elsewhere(cells, model.side, regions).map(without);
    hidings.set(objects.join(), { objects, region, own, elsewhere: others });
  }
  const firstEdit = conditions.length;
  for (const { codes } of picture.edits) conditions.push(codes);
  const hidden = phrases.map(({ positions }) => positions);
  const { logProbabilities, attention } = await model.ask({ tokens, hidden, conditions });
  const change = (condition: number, phrase: number) =>
    logProbabilities[condition]![phrase]! - logProbabilities[0]![phrase]!;
  const looks = phrases.flatMap(({ role, text, objects }, p): PhraseLook[] => {
    const hiding = hidings.get(objects.join());
    if (!hiding) return [];
    const foreign = phrases.flatMap((other, q) =>
      disjoint(other.objects, objects) ? [change(hiding.own, q)] : [],
    );
    const own = change(hiding.own, p);
    const elsewhere = hiding.elsewhere.map((condition) => change(condition, p));
    return [
      {
        ...{ role, text, objects, size: sizeOf(scene, objects), own, others: mean(foreign) },
        logProbability: logProbabilities[0]![p]!,
        attention: lookAt(attention[p]!, hiding.region),
        map: normalised(attention[p]!),
        regionAuc: aucOf(elsewhere, [own]),
      },
    ];
  });
  const edits = picture.edits.map(({ edit, truth }, e): EditLook => {
    const [lost, kept]: [number[], number[]] = [[], []];
    for (const [p, { holds }] of phrases.entries()) {
      const [before, now] = [holds(scene), holds(truth)];
      if (before !== "right" || now === null) continue;
      (now === "right" ? kept : lost).push(change(firstEdit + e, p));
    }
    return { edit, madeFalse: mean(lost), stillTrue: mean(kept), auc: aucOf(kept, lost) };
  });
  return { phrases: looks, edits: edits.sort((a, b) => EDITS.indexOf(a.edit) - EDITS.indexOf(b.edit)) };
}

function disjoint(a: readonly number[], b: readonly number[]): boolean {
  return !a.some((number) => b.includes(number));
}

/** The size of the one thing that some objects are; null of several. */
function sizeOf(scene: Scene, objects: readonly number[]): SizeClass | null {
  const [first, ...rest] = new Set(objects.map((number) => scene.objects[number]!.entity));
  return rest.length > 0 ? null : scene.entities[first!]!.size;
}

/** NaN of nothing. */
function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function normalised(weights: Float32Array): Float32Array {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
