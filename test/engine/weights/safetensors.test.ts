import t from "tap";
import {
  decodeSafetensors,
  encodeSafetensors,
  type StoredTensor,
} from "../../../dist/engine/weights/safetensors.js";

/** A file from a header text and data bytes, with no care for validity. */
function file(header: string, dataBytes = 0, headerLength?: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const out = new Uint8Array(8 + text.length + dataBytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(headerLength ?? text.length), true);
  out.set(text, 8);
  return out;
}

const TENSORS = new Map<string, StoredTensor>([
  ["w", { dtype: "F32", shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, Number.NaN, 1e-40) }],
  ["half", { dtype: "F16", shape: [3], data: Uint16Array.of(0x3c00, 0x3555, 0xfbff) }],
  ["u", { dtype: "U32", shape: [1], data: Uint32Array.of(4294967295) }],
  ["i", { dtype: "I32", shape: [2, 1], data: Int32Array.of(-1, 7) }],
  ["long", { dtype: "I64", shape: [1], data: BigInt64Array.of(-(2n ** 60n)) }],
  ["bytes", { dtype: "U8", shape: [5], data: Uint8Array.of(1, 2, 3, 4, 255) }],
  ["scalar", { dtype: "F32", shape: [], data: Float32Array.of(42) }],
  ["empty", { dtype: "F32", shape: [0, 4], data: new Float32Array(0) }],
  ['odd "name" ü\n', { dtype: "U8", shape: [1], data: Uint8Array.of(9) }],
  ["10", { dtype: "F32", shape: [1], data: Float32Array.of(10) }],
  ["__proto__", { dtype: "F32", shape: [1], data: Float32Array.of(11) }],
]);

t.test("round trip of every type, odd names and shapes, from any offset", async (t) => {
  const bytes = encodeSafetensors(TENSORS, { b: "2", a: 'quote " and ü' });
  const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  t.equal(headerLength % 8, 0, "the data begin at a multiple of 8");
  for (const shift of [0, 1, 4]) {
    const moved = new Uint8Array(bytes.length + shift);
    moved.set(bytes, shift);
    const { tensors, metadata } = decodeSafetensors(moved.subarray(shift), "x");
    t.same(metadata, { a: 'quote " and ü', b: "2" });
    t.same([...tensors.keys()].sort(), [...TENSORS.keys()].sort());
    for (const [name, tensor] of TENSORS)
      t.same(tensors.get(name), tensor, `${JSON.stringify(name)}, shift ${shift}`);
    const copied = [...tensors].filter(([, { data }]) => data.buffer !== moved.buffer).map(([name]) => name);
    if (shift === 0)
      t.same(copied, [], "every tensor is aligned to its element size, so that none is copied");
  }
});

t.test("the bytes do not depend on the order of the map or of the metadata", async (t) => {
  const a = encodeSafetensors(TENSORS, { a: "1", b: "2" });
  const b = encodeSafetensors(new Map([...TENSORS].reverse()), { b: "2", a: "1" });
  t.same(a, b);
});

t.test("the bytes are those of the format's description", async (t) => {
  const bytes = encodeSafetensors(new Map([["x", { dtype: "U8", shape: [2], data: Uint8Array.of(7, 8) }]]), {
    k: "v",
  });
  const header = '{"__metadata__":{"k":"v"},"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}';
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8, " ");
  t.same(Buffer.from(bytes.subarray(8)).toString("latin1"), `${padded}\x07\x08`);
  t.equal(bytes[0], padded.length);
});

t.test("reads BF16 and a foreign file whose header has another order and white space", async (t) => {
  const bytes = file(
    '{ "b" : {"data_offsets":[2,6],"shape":[2,1],"dtype":"BF16"}, "a":{"dtype":"U8","shape":[2],"data_offsets":[0, 2]}}\n ',
    6,
  );
  bytes.set([1, 2, 0x80, 0x3f, 0x40, 0xc0], bytes.length - 6);
  const { tensors } = decodeSafetensors(bytes, "x");
  t.same([...tensors.keys()], ["a", "b"]);
  t.same([...tensors.get("b")!.data], [1, -3]);
});

t.test("float16 is written from numbers too, rounded", async (t) => {
  const numbers: StoredTensor = { dtype: "F16", shape: [3], data: Float32Array.of(1, 1 / 3, -65504) };
  const bits: StoredTensor = { dtype: "F16", shape: [3], data: Uint16Array.of(0x3c00, 0x3555, 0xfbff) };
  t.same(encodeSafetensors(new Map([["x", numbers]])), encodeSafetensors(new Map([["x", bits]])));
});

t.test("refuses to write what would come back different", async (t) => {
  const one = (tensor: StoredTensor, name = "w") => encodeSafetensors(new Map([[name, tensor]]));
  t.throws(() => one({ dtype: "F16", shape: [2], data: Float32Array.of(1, 70000) }), {
    name: "UserError",
    message: /"w" holds 70000 at element 1, beyond float16/,
  });
  t.doesNotThrow(() => one({ dtype: "F16", shape: [1], data: Float32Array.of(Number.POSITIVE_INFINITY) }));
  t.throws(() => one({ dtype: "F32", shape: [2, 2], data: new Float32Array(3) }), /\[2, 2\] but 3 elements/);
  t.throws(() => one({ dtype: "BF16", shape: [1], data: new Float32Array(1) }), /BF16 is read only/);
  t.throws(
    () => one({ dtype: "U8", shape: [1], data: new Uint8Array(1) }, "__metadata__"),
    /cannot be a tensor's name/,
  );
});

t.test("hostile and broken files are refused with file, tensor and reason", async (t) => {
  const entry = (dtype: string, shape: string, offsets: string) =>
    `{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`;
  const one = (dtype: string, shape: string, offsets: string) => `{"w":${entry(dtype, shape, offsets)}}`;
  const two = (first: string, second: string) =>
    `{"a":${entry('"U8"', "[4]", first)},"b":${entry('"U8"', "[4]", second)}}`;
  const cases: [string, Uint8Array, RegExp][] = [
    ["empty", new Uint8Array(0), /has 0 bytes/],
    ["seven bytes", new Uint8Array(7), /has 7 bytes/],
    ["header beyond the file", file("{}", 0, 3), /should have 3 bytes but only 2 follow/],
    ["header of 2^63", file("{}", 0, 2 ** 63), /should have 9223372036854775808 bytes/],
    ["no brace", file(" {}"), /does not begin with "\{"/],
    ["empty header", file("", 4, 0), /does not begin/],
    ["not JSON", file("{]"), /not JSON/],
    ["NaN", file(one('"U8"', "[NaN]", "[0,4]"), 4), /not JSON/],
    ["bad UTF-8", (() => file('{"\u00ff":1}').map((b) => (b === 0xc3 ? 0xff : b)))(), /not JSON in UTF-8/],
    ["text after the object", file("{} x"), /not JSON/],
    ["entry is a number", file('{"w":3}'), /tensor "w": its entry is not an object/],
    ["entry is null", file('{"w":null}'), /tensor "w": its entry is not an object/],
    [
      "unknown field",
      file('{"w":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":1}}', 1),
      /unknown field "x"/,
    ],
    ["dtype unknown", file(one('"F8"', "[4]", "[0,4]"), 4), /tensor "w": dtype "F8" is not one of I64, F32/],
    ["dtype from the prototype", file(one('"toString"', "[4]", "[0,4]"), 4), /dtype "toString"/],
    ["dtype missing", file('{"w":{"shape":[4],"data_offsets":[0,4]}}', 4), /dtype missing/],
    ["shape negative", file(one('"U8"', "[-4]", "[0,4]"), 4), /shape \[-4\]/],
    ["shape fractional", file(one('"U8"', "[2.5]", "[0,4]"), 4), /shape \[2.5\]/],
    ["shape too large for a number", file(one('"U8"', "[1e300]", "[0,4]"), 4), /shape \[1e\+300\]/],
    [
      "shape product overflows",
      file(one('"U8"', "[9007199254740991,9007199254740991]", "[0,4]"), 4),
      /needs .* bytes/,
    ],
    ["shape is text", file(one('"U8"', '"4"', "[0,4]"), 4), /shape "4"/],
    ["offsets triple", file(one('"U8"', "[4]", "[0,2,4]"), 4), /data_offsets \[0,2,4\] is not a pair/],
    ["offsets reversed", file(one('"U8"', "[4]", "[4,0]"), 4), /end before they begin/],
    ["offsets beyond", file(one('"U8"', "[8]", "[0,8]"), 4), /beyond the 4 bytes/],
    [
      "size wrong",
      file(one('"F32"', "[2]", "[0,4]"), 4),
      /F32 of shape \[2\] needs 8 bytes but data_offsets give 4/,
    ],
    ["overlap", file(two("[0,4]", "[2,6]"), 6), /"b" begins at byte 2, inside tensor "a" which ends at 4/],
    ["same bytes twice", file(two("[0,4]", "[0,4]"), 4), /inside tensor/],
    ["gap", file(two("[0,4]", "[6,10]"), 10), /bytes 4 to 6, before tensor "b", belong to no tensor/],
    ["gap at the start", file(one('"U8"', "[2]", "[2,4]"), 4), /bytes 0 to 2/],
    ["bytes after the end", file(one('"U8"', "[4]", "[0,4]"), 5), /end at byte 4 but the file has 5/],
    [
      "name twice",
      file(`{"w":${entry('"U8"', "[4]", "[0,4]")},"\\u0077":${entry('"U8"', "[4]", "[0,4]")}}`, 4),
      /name "w" twice/,
    ],
    [
      "field twice",
      file('{"w":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
      /"dtype" twice/,
    ],
    ["metadata twice", file('{"__metadata__":{},"__metadata__":{}}'), /"__metadata__" twice/],
    ["metadata is a list", file('{"__metadata__":[]}'), /__metadata__ is not an object/],
    ["metadata is a number", file('{"__metadata__":{"k":1}}'), /"k" is 1, not a string/],
  ];
  for (const [name, bytes, message] of cases) {
    const whole = new RegExp(`^a/b\\.safetensors is not a valid safetensors file: .*${message.source}`);
    t.throws(() => decodeSafetensors(bytes, "a/b.safetensors"), { name: "UserError", message: whole }, name);
  }
  t.doesNotThrow(
    () => decodeSafetensors(file('{"__metadata__":{"a":"{\\"a\\":1,\\"a\\":2}"}}'), "x"),
    "braces in text",
  );
});

t.test(
  "every cut of a valid file is refused, and every changed header byte is refused or harmless",
  async (t) => {
    const bytes = encodeSafetensors(
      new Map([["w", { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) }]]),
    );
    for (let length = 0; length < bytes.length; length++) {
      t.throws(
        () => decodeSafetensors(bytes.slice(0, length), "cut"),
        { name: "UserError" },
        `cut to ${length}`,
      );
    }
    for (let i = 0; i < bytes.length - 8; i++) {
      for (const change of [1, 2, 16, 128]) {
        const broken = bytes.slice();
        broken[i]! ^= change;
        try {
          const { tensors } = decodeSafetensors(broken, "flipped");
          for (const tensor of tensors.values()) {
            const elements = tensor.shape.reduce((a, b) => a * b, 1);
            if (elements !== tensor.data.length) t.fail(`byte ${i}: shape and data differ`);
          }
        } catch (error) {
          if ((error as Error).name !== "UserError") t.fail(`byte ${i}: ${error}`);
        }
      }
    }
  },
);
