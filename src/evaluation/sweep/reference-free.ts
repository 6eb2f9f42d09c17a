/**
 * Scores of captions without references, the upright axis of the figure: CLIPScore, or where there is no CLIP a judge of scenes, or a
 * stand-in, each under its own name.
 */

import type { Captioner } from "../../captioner/captioner.js";
import { CLIP_PROMPT, clipScore, cosine } from "../../metrics/clip-score.js";
import type { Clip } from "../../models/clip/clip.js";
import { UserError } from "../../platform/errors.js";
import { type ClipFeatureOptions, clipFeatures, type FeatureModel } from "../clip-features.js";
import type { SplitPictures } from "./pictures.js";

export const referenceFreeNames = ["clip", "judge", "likelihood"] as const;
/** A reference-free score by name. */
export type ReferenceFreeName = (typeof referenceFreeNames)[number];

export interface ReferenceFree {
  readonly name: ReferenceFreeName;
  /** For tables and axes. */
  readonly title: string;
  readonly decimals: number;
  /** Tells kept scores of one kind from those of another. */
  readonly id: string;
  /** Network passes for a caption, for estimates of the time left. */
  readonly passes: number;
  /** A number for each picture's caption; higher is better. */
  score(pictures: SplitPictures, captions: readonly string[]): Promise<Float64Array>;
}

/** CLIPScore of public CLIP weights. */
export function clipReferenceFree(clip: Clip, options: ClipFeatureOptions): ReferenceFree {
  return {
    ...{ name: "clip", title: "CLIPScore", decimals: 4, passes: 0 },
    id: `clip ${clip.sha256} ${CLIP_PROMPT}`,
    async score({ dataset, records }, captions) {
      const images = records.map((record) => dataset.records[record]!.image);
      const wanted = { images, texts: captions };
      const { ofPicture, ofText } = await clipFeatures(clip, dataset, wanted, options);
      return Float64Array.from(captions, (text, i) => clipScore(ofPicture(images[i]!), ofText(text)));
    },
  };
}

/** The cosine of picture and caption by a judge of scenes, which is trained on other pictures and captions than those that it scores. */
export function judgeReferenceFree(judge: FeatureModel, options: ClipFeatureOptions): ReferenceFree {
  return {
    ...{ name: "judge", title: "judge", decimals: 4, passes: 0 },
    id: `judge ${judge.sha256}`,
    async score({ dataset, records }, captions) {
      const images = records.map((record) => dataset.records[record]!.image);
      const wanted = { images, texts: captions };
      const { ofPicture, ofText } = await clipFeatures(judge, dataset, wanted, { ...options, prompt: "" });
      return Float64Array.from(captions, (text, i) => cosine(ofPicture(images[i]!), ofText(text)));
    },
  };
}

/** Steps t of the stand-in for each caption, one from each of as many ranges. */
export const likelihoodSteps = 4;
/** Of its draws of t and x_t: every setting is judged by the same noise. */
const likelihoodSeed = 20_240_101;

/**
 * The model's own bound on log p(caption | picture) in nats, without guidance, by the same t and x_t for all settings. It is no
 * CLIPScore: the judge is the judged, and likes the captions best that unguided sampling at a low temperature gives.
 */
export function likelihoodReferenceFree({ decoder, tokenizer, positions, config }: Captioner): ReferenceFree {
  const { likelihood, shape } = decoder;
  if (!likelihood)
    throw new UserError(
      `A ${config.model} decoder has no bound on the likelihood of captions; name a CLIP with --clip.`,
      2,
    );
  const steps = Math.min(likelihoodSteps, likelihood.steps);
  return {
    ...{ name: "likelihood", title: "own bound on log p, nats", decimals: 2, passes: steps },
    id: `likelihood ${steps} ${likelihoodSeed}`,
    async score({ codes }, captions) {
      const ids = captions.map((text) => tokenizer.encodeFixed(text, shape.length));
      const own = captions.map((_, i) => codes.subarray(i * positions, (i + 1) * positions));
      const nats = await likelihood.bound(ids, own, { steps, seed: likelihoodSeed });
      return nats.map((value) => -value);
    },
  };
}
