/** The wire format of protocol buffers: the four kinds of fields that event files have. */

/** An encoded message: fields one after the other. */
export class Message {
  readonly #bytes: number[] = [];

  /** A whole number from 0 to 2⁵³ − 1 (`int32`, `int64`); 0 is the default and is not written. */
  int(field: number, value: number): this {
    if (value === 0) return this;
    this.#varint(field << 3);
    this.#varint(value);
    return this;
  }

  double(field: number, value: number): this {
    this.#varint((field << 3) | 1);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.#bytes.push(...bytes);
    return this;
  }

  float(field: number, value: number): this {
    this.#varint((field << 3) | 5);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    this.#bytes.push(...bytes);
    return this;
  }

  /** Text (UTF-8), bytes, or a message inside of this one. */
  part(field: number, value: string | Uint8Array | Message): this {
    const bytes =
      value instanceof Message
        ? value.encode()
        : typeof value === "string"
          ? new TextEncoder().encode(value)
          : value;
    this.#varint((field << 3) | 2);
    this.#varint(bytes.length);
    // Not spread: a picture has more bytes than a call may have arguments.
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  encode(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  /** Seven bits a byte, the lowest first; the eighth bit says that more follow. */
  #varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#bytes.push((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.#bytes.push(rest);
  }
}
