/** Sizes of a CLIP (Radford et al. 2021) of the ViT kind. */

/** Activations of the blocks: x·sigmoid(1.702 x), as OpenAI trained, or x·Φ(x). */
export const clipActivations = ["quick-gelu", "gelu"] as const;
/** Name of an activation. */
export type ClipActivation = (typeof clipActivations)[number];

/** Sizes of one transformer. */
export interface ClipTowerShape {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Width of the hidden layer of a block's MLP. */
  readonly hidden: number;
  readonly activation: ClipActivation;
  /** Added to the variance of the layer norms. */
  readonly epsilon: number;
}

/** Sizes of both towers. */
export interface ClipShape {
  /** Width of the common space of pictures and texts. */
  readonly features: number;
  readonly image: ClipTowerShape & {
    /** Pictures are imageSize × imageSize RGB, cut into patches of patchSize × patchSize. */
    readonly imageSize: number;
    readonly patchSize: number;
  };
  readonly text: ClipTowerShape & {
    /** Longest text in tokens, start and end included. */
    readonly context: number;
    readonly vocabulary: number;
    /** The token that ends a text; null: the largest id of a text ends it. */
    readonly endId: number | null;
  };
}
