/** Reads the arguments of a pickle's opcodes. */

/** Damage of a pickle: says what is wrong. Callers add the file. */
export class PickleError extends Error {
  constructor(
    message: string,
    /** Whether the bytes ended within the pickle: more of them may help. */
    readonly isCutShort = false,
  ) {
    super(message);
  }
}

/** Python's own limit for decimal text; conversion takes quadratic time. */
const MOST_DIGITS = 4300;
const MOST_INTEGER_BYTES = 4096;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const latin1 = (bytes: Uint8Array): string => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return text;
};

/** A cursor over the bytes of a pickle. Every read is checked against their end. */
export class PickleBytes {
  position = 0;
  private readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The next `length` bytes, in the memory of the file. */
  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.position) {
      throw new PickleError(`it ends early, ${length} bytes were expected at byte ${this.position}`, true);
    }
    this.position += length;
    return this.bytes.subarray(this.position - length, this.position);
  }

  uint8(): number {
    return this.view.getUint8(this.skip(1));
  }
  uint16(): number {
    return this.view.getUint16(this.skip(2), true);
  }
  uint32(): number {
    return this.view.getUint32(this.skip(4), true);
  }
  int32(): number {
    return this.view.getInt32(this.skip(4), true);
  }
  /** A length of 8 bytes. */
  uint64(): number {
    const value = this.view.getBigUint64(this.skip(8), true);
    // Beyond any file; `take` refuses it.
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
  }
  /** Big-endian, as BINFLOAT has it. */
  float64(): number {
    return this.view.getFloat64(this.skip(8), false);
  }

  /** A little-endian integer in two's complement of `length` bytes. */
  integer(length: number): number | bigint {
    if (length > MOST_INTEGER_BYTES) throw new PickleError(`an integer of ${length} bytes`);
    const bytes = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return small(BigInt.asIntN(8 * length, value));
  }

  text(length: number): string {
    return decodeUtf8(this.take(length));
  }

  /** Bytes of Python 2's str as text. */
  byteText(length: number): string {
    return fromByteString(this.take(length));
  }

  /** Up to the end of the line, without it. */
  line(): Uint8Array {
    const end = this.bytes.indexOf(10, this.position);
    if (end < 0) throw new PickleError(`it ends early, within a line at byte ${this.position}`, true);
    const line = this.bytes.subarray(this.position, end);
    this.position = end + 1;
    return line;
  }

  textLine(): string {
    return decodeUtf8(this.line());
  }

  private skip(length: number): number {
    this.take(length);
    return this.position - length;
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new PickleError("a text that is not UTF-8");
  }
}

function fromByteString(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return latin1(bytes);
  }
}

/** An integer as a number if that is exact. */
function small(value: bigint): number | bigint {
  return BigInt.asIntN(54, value) === value && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** A decimal integer, as INT and LONG have it; INT writes booleans as 00 and 01. */
export function parseInteger(text: string): number | bigint | boolean {
  if (text === "00" || text === "01") return text === "01";
  const digits = /^\s*([+-]?\d+)L?\s*$/.exec(text)?.[1];
  if (digits === undefined || digits.length > MOST_DIGITS) throw new PickleError("an integer that is none");
  return small(BigInt(digits.replace("+", "")));
}

/** A decimal number, as FLOAT has it. */
export function parseFloatText(text: string): number {
  if (/^-?inf$/.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (text === "nan") return Number.NaN;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw new PickleError("a float that is none");
  return Number(text);
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, a: 7, b: 8, f: 12, v: 11 };

/** A quoted string of Python 2, as STRING has it. */
export function parseQuoted(line: Uint8Array): string {
  const quote = line[0];
  if (line.length < 2 || (quote !== 0x27 && quote !== 0x22) || line.at(-1) !== quote) {
    throw new PickleError("a string without its quotes");
  }
  const bytes: number[] = [];
  for (let i = 1; i < line.length - 1; i++) {
    if (line[i] !== 0x5c) {
      bytes.push(line[i]!);
      continue;
    }
    const code = latin1(line.subarray(i + 1, i + 4));
    const hex = /^x([0-9a-f]{2})/i.exec(code)?.[1];
    const octal = /^[0-7]{1,3}/.exec(code)?.[0];
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (octal !== undefined) bytes.push(Number.parseInt(octal, 8) & 255);
    else bytes.push(ESCAPES[code[0] ?? ""] ?? line[i + 1]!);
    i += hex !== undefined ? 3 : octal !== undefined ? octal.length : 1;
  }
  return fromByteString(Uint8Array.from(bytes));
}

/** Text in Python's raw-unicode-escape, as UNICODE has it: Latin-1 with \uXXXX and \UXXXXXXXX. */
export function parseRawUnicode(line: Uint8Array): string {
  return latin1(line).replace(/\\u([0-9a-f]{4})|\\U([0-9a-f]{8})/gi, (_, short?: string, long?: string) => {
    const code = Number.parseInt((short ?? long)!, 16);
    if (code > 0x10ffff) throw new PickleError("a text with a character that does not exist");
    return short === undefined ? String.fromCodePoint(code) : String.fromCharCode(code);
  });
}
