/** A caption that still holds [MASK] after its last denoising step. */

import { UserError } from "../platform/errors.js";

/**
 * Thrown instead of a caption with gaps. The last step draws words only, so a remaining [MASK] means that the network's output is
 * NaN, for example from damaged weights or a broken adapter.
 */
export class UnfinishedCaption extends UserError {
  constructor(picture: number) {
    super(
      `the caption of picture ${picture + 1} still holds [MASK] after the last denoising step: the network gives no usable numbers; MCD_CHECK_FINITE=1 finds the kernel, and other weights or another adapter may help`,
    );
    this.name = "UnfinishedCaption";
  }
}

/**
 * Throws an `UnfinishedCaption` if one of the captions, ids [n · L], contains `maskId`. `first` is the index of their first
 * picture.
 */
export function checkFinished(ids: ArrayLike<number>, length: number, maskId: number, first = 0): void {
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === maskId) throw new UnfinishedCaption(first + Math.floor(i / length));
  }
}
