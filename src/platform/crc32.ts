/** CRC-32 (ISO-HDLC, polynomial 0xEDB88320, as in zip and PNG): detects damaged files. */

/** `before` is the sum of the bytes in front, for sums in parts. */
export function crc32(bytes: Uint8Array, before = 0): number {
  return crcOf(TABLES, bytes, before);
}

/** The sum of `bytes` by the tables of any reflected polynomial of 32 bits. */
export function crcOf(tables: readonly Uint32Array[], bytes: Uint8Array, before = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  let crc = ~before;
  let i = 0;
  // Eight bytes at a time: one table lookup a byte, but eight that do not wait for each other.
  for (; i + 8 <= bytes.length; i += 8) {
    const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    crc =
      t7[low & 255]! ^
      t6[(low >>> 8) & 255]! ^
      t5[(low >>> 16) & 255]! ^
      t4[low >>> 24]! ^
      t3[bytes[i + 4]!]! ^
      t2[bytes[i + 5]!]! ^
      t1[bytes[i + 6]!]! ^
      t0[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) crc = t0[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The same for many bytes: other work runs after each `part` of them. */
export async function crc32InParts(bytes: Uint8Array, part = 1 << 24): Promise<number> {
  let sum = 0;
  for (let start = 0; start < bytes.length; start += part) {
    if (start > 0) await new Promise((resolve) => setTimeout(resolve));
    sum = crc32(bytes.subarray(start, start + part), sum);
  }
  return sum;
}

/** Eight tables of a reflected polynomial; table k has the effect of a byte that k bytes follow. */
export function crcTables(polynomial: number): readonly Uint32Array[] {
  const first = new Uint32Array(256).map((_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? polynomial ^ (value >>> 1) : value >>> 1;
    return value;
  });
  const tables = [first];
  for (let k = 1; k < 8; k++) {
    const previous = tables[k - 1]!;
    tables.push(previous.map((value) => first[value & 255]! ^ (value >>> 8)));
  }
  return tables;
}

const TABLES = crcTables(0xedb88320);
