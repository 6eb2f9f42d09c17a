/** Messages between picture-decoder.ts and its process: a header of four 32-bit numbers, then bytes. */

import type { PictureFormat } from "./picture-header.js";

export const FORMATS: readonly PictureFormat[] = ["png", "jpeg", "webp", "svg"];
export const FITS = ["contain", "cover"] as const;

/** Kind of reply: the body holds pixels. */
export const PIXELS = 0;
/** Kind of reply: the body holds the message of a `UserError`. */
export const REFUSED = 1;
/** Kind of reply: the body holds the message of another error. */
export const FAILED = 2;
/** Kind of reply: the body holds pixels with alpha. */
export const RGBA_PIXELS = 3;

const HEAD_BYTES = 16;

/**
 * `id` identifies the picture. In a request, `first` is the size (0: the picture's own) and `second` is format + 4·fit, + 8 if the
 * body begins with a box (picture-box.ts), + 16 to keep alpha; in a reply, they are the kind and, for pixels, the width.
 */
export interface Frame {
  readonly id: number;
  readonly first: number;
  readonly second: number;
  readonly body: Uint8Array;
}

export function frameHead({ id, first, second, body }: Frame): Uint8Array {
  return new Uint8Array(Uint32Array.of(id, first, second, body.length).buffer);
}

/** Assembles frames from the chunks of a stream. Allocates each body separately. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headFilled = 0;
  #body: Uint8Array | null = null;
  #bodyFilled = 0;

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  push(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0 || this.#whole()) {
      if (this.#headFilled < HEAD_BYTES) {
        const part = rest.subarray(0, HEAD_BYTES - this.#headFilled);
        this.#head.set(part, this.#headFilled);
        this.#headFilled += part.length;
        rest = rest.subarray(part.length);
        if (this.#headFilled < HEAD_BYTES) return;
        this.#body = new Uint8Array(this.#numbers()[3]);
        this.#bodyFilled = 0;
      }
      const body = this.#body!;
      const part = rest.subarray(0, body.length - this.#bodyFilled);
      body.set(part, this.#bodyFilled);
      this.#bodyFilled += part.length;
      rest = rest.subarray(part.length);
      if (this.#bodyFilled < body.length) return;
      const [id, first, second] = this.#numbers();
      this.#headFilled = 0;
      this.#body = null;
      this.#onFrame({ id, first, second, body });
    }
  }

  /** True if the body is complete; an empty one is complete as soon as its header is. */
  #whole(): boolean {
    return this.#body !== null && this.#bodyFilled === this.#body.length;
  }

  #numbers(): [id: number, first: number, second: number, length: number] {
    const [id, first, second, length] = new Uint32Array(this.#head.slice().buffer);
    return [id!, first!, second!, length!];
  }
}
