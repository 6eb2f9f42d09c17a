/** A caption that still holds [MASK] after its last denoising step. */

import { UserError } from "../platform/errors.js";

/**
 * Thrown instead of a caption with gaps: the last step draws words only, so a [MASK] that is left tells that the network's
 * numbers are none (NaN), as of damaged weights or of a broken adapter.
 */
export class UnfinishedCaption extends UserError {
  constructor(picture: number) {
    super(
      `the caption of picture ${picture + 1} still holds [MASK] after the last denoising step: the network gives no usable numbers; MCD_CHECK_FINITE=1 finds where, other weights or another adapter may do`,
    );
    this.name = "UnfinishedCaption";
  }
}

/** Throws an `UnfinishedCaption` if one of the captions, ids [n · L], holds `maskId`. `first` counts pictures before them. */
export function checkFinished(ids: ArrayLike<number>, length: number, maskId: number, first = 0): void {
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === maskId) throw new UnfinishedCaption(first + Math.floor(i / length));
  }
}
