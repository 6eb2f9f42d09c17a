/**
 * TFRecord, the frame of TensorBoard's event files. Of each record: its length as 8 bytes, the masked CRC-32C of these 8 bytes, the
 * data, the masked CRC-32C of the data; all numbers little-endian (TensorFlow, core/lib/io/record_writer.h).
 */

import { crcOf, crcTables } from "../../platform/crc32.js";

/** Castagnoli's polynomial. */
const TABLES = crcTables(0x82f63b78);

/** CRC-32C, as in iSCSI (RFC 3720). */
export function crc32c(bytes: Uint8Array): number {
  return crcOf(TABLES, bytes);
}

/** A sum that may itself be summed: rotated right by 15 bits, plus a constant (core/lib/hash/crc32c.h). */
export function maskedCrc32c(bytes: Uint8Array): number {
  const sum = crc32c(bytes);
  return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
}

/** One record with its frame. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(8 + 4 + data.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}
