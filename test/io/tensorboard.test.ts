/** Event files byte for byte: as Google's protobuf for Python and a CRC by its definition wrote them. */

import t from "tap";
import { imageRecord, scalarRecord, versionRecord } from "../../dist/io/tensorboard/events.js";
import { Message } from "../../dist/io/tensorboard/protobuf.js";
import { crc32c, maskedCrc32c, tfRecord } from "../../dist/io/tensorboard/records.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const ascii = (text: string) => new TextEncoder().encode(text);

t.test("CRC-32C: the vectors of RFC 3720, and the catalogue's check", async (t) => {
  const rising = Uint8Array.from({ length: 32 }, (_, i) => i);
  t.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.equal(crc32c(new Uint8Array(32).fill(255)), 0x62a8ab43);
  t.equal(crc32c(rising), 0x46dd794e);
  t.equal(crc32c(rising.toReversed()), 0x113fdb5c);
  t.equal(crc32c(ascii("123456789")), 0xe3069283);
  t.equal(crc32c(new Uint8Array(0)), 0);
});

t.test("the mask rotates by 15 bits and adds a constant, without a sign", async (t) => {
  const sum = BigInt(crc32c(ascii("foo")));
  const rotated = ((sum >> 15n) | (sum << 17n)) & 0xffffffffn;
  t.equal(maskedCrc32c(ascii("foo")), Number((rotated + 0xa282ead8n) & 0xffffffffn));
});

t.test("a record: length, its sum, data, their sum", async (t) => {
  const record = tfRecord(Uint8Array.of(7, 8, 9));
  t.equal(record.length, 8 + 4 + 3 + 4);
  t.equal(hex(record.subarray(0, 8)), "0300000000000000");
  const view = new DataView(record.buffer);
  t.equal(view.getUint32(8, true), maskedCrc32c(record.subarray(0, 8)));
  t.equal(hex(record.subarray(12, 15)), "070809");
  t.equal(view.getUint32(15, true), maskedCrc32c(Uint8Array.of(7, 8, 9)));
});

t.test("the first record names the version", async (t) => {
  t.equal(
    hex(versionRecord(1_700_000_000.5)),
    "1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b353110",
  );
});

t.test("numbers of a step: 0 and NaN are written", async (t) => {
  const values = { "decoder/losses/total": 0.1, "decoder/metrics/exact": 0, "decoder/gradNorm": Number.NaN };
  t.equal(
    hex(scalarRecord({ time: 1_700_000_001.25, step: 300 }, values)),
    "620000000000000079fd606f0900005040fc54d94110ac022a540a1b0a146465636f6465722f6c6f737365732f746f74616c15cdcccc3d0a1c0a156465636f6465722f6d6574726963732f657861637415000000000a170a106465636f6465722f677261644e6f726d150000c07f0e7e1526",
  );
});

t.test("a picture: a step above 2³¹, bytes above 127, a tag in UTF-8", async (t) => {
  const png = Uint8Array.from({ length: 200 }, (_, i) => i);
  t.equal(
    hex(imageRecord({ time: 1_700_000_002, step: 3e9 }, "vqvae/samples é", { width: 200, height: 1, png })),
    `fc00000000000000ca7b0fad0900008040fc54d9411080bcc1960b2aea010ae7010a1076717661652f73616d706c657320c3a922d201080110c801180322c801${hex(png)}010a47da`,
  );
});

t.test("whole numbers have seven bits a byte, up to 2⁵³ − 1", async (t) => {
  const of = (value: number) => hex(new Message().int(1, value).encode());
  t.equal(of(0), "", "the default");
  t.equal(of(127), "087f");
  t.equal(of(128), "088001");
  t.equal(of(2 ** 53 - 1), "08ffffffffffffff0f");
  t.equal(hex(new Message().int(2, 300).encode()), "10ac02", "the documentation's example");
});
