/** Pickles of plain data, of every protocol and of Python 2, damaged and hostile ones. */

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import t from "tap";
import { runPickle } from "../../dist/io/pickle/opcodes.js";
import { readPickle } from "../../dist/io/pickle/pickle.js";
import { PickleObject } from "../../dist/io/pickle/values.js";

t.setTimeout(300_000);

const bytes = (text: string) => Buffer.from(text, "latin1");
const read = (text: string) => readPickle(bytes(text), "x.pickle");
/** The message with which a pickle is refused. */
const refusal = (text: string): string => {
  try {
    read(text);
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message}`;
  }
  return "read";
};

/** What Python pickled into `pickle-data/`, by `pickle.dumps(value, protocol)`. */
const expected = new Map<unknown, unknown>([
  [
    "ints",
    // biome-ignore format: one list
    [0, -1, 255, 256, 65535, 65536, -(2 ** 31), 2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1, 2n ** 53n, -(2n ** 53n), 2n ** 63n, -(2n ** 70n)],
  ],
  ["floats", [0, -0, 1.5, 1e-300, Infinity, -Infinity]],
  ["texts", ["", "a", "ä€😀\n\\", "x".repeat(300)]],
  ["bytes", [new Uint8Array(), new Uint8Array([0, 255]), new Uint8Array(300).fill(0x79)]],
  ["none", [null, true, false]],
  ["tuples", [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]],
  ["set", new Set([3])],
  ["frozen", new Set([4])],
  [
    "ordered",
    new Map([
      ["b", 1],
      ["a", 2],
    ]),
  ],
  ["counter", new Map([["q", 2]])],
  ["default", new Map([["k", [5]]])],
  [7, new Map([["deep", [new Map()]]])],
  ["range", Array.from({ length: 1002 }, (_, i) => i)],
  ["shared", [[1], [1]]],
]);

/** Buffers as plain arrays of bytes, so that values compare by content. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, plain(item)]));
  return value;
}

for (let protocol = 0; protocol <= 5; protocol++) {
  t.test(`protocol ${protocol}`, async (t) => {
    const file = new URL(`../../test/io/pickle-data/protocol${protocol}.pickle.gz`, import.meta.url);
    const value = plain(readPickle(gunzipSync(readFileSync(file)), "x.pickle")) as Map<string, unknown[]>;
    t.strictSame(value, expected);
    t.ok(Object.is(value.get("floats")![1], -0), "the sign of zero");
    const shared = readPickle(gunzipSync(readFileSync(file)), "x.pickle") as Map<string, unknown[]>;
    t.equal(shared.get("shared")![0], shared.get("shared")![1], "one list twice");
  });
}

t.test("text of Python 2", async (t) => {
  const names = [
    "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18",
    "it's",
    'a "b"',
    "tab\there",
    "é",
  ];
  const protocol0 =
    "(lp0\nS'001.Black_footed_Albatross/Black_Footed_Albatross_0046_18'\np1\naS\"it's\"\np2\naS'a \"b\"'\np3\naS'tab\\there'\np4\naS'\\xc3\\xa9'\np5\na.";
  t.same(read(protocol0), names);
  const long = "T\x02\x00\x00\x00\xc3\xa9";
  t.same(read(`\x80\x02]q\x00(U\x39${names[0]}q\x01U\x04it'sU\x05a "b"U\x08tab\there${long}e.`), names);
  t.same(read("S'\\351\\n\\\\'\n."), "é\n\\", "octal escapes, Latin-1 where the bytes are no UTF-8");
  t.equal(read("U\x01\xe9."), "é", "Latin-1 in the binary form too");
  t.same(read("V\\u00e9\\U0001f600\xe9\n."), "é😀é", "raw-unicode-escape");
  t.same(read("(I01\nI00\nL-12345678901234567890L\nF1.5\nFnan\nt."), [
    true,
    false,
    -12345678901234567890n,
    1.5,
    Number.NaN,
  ]);
});

t.test("nothing is called", async (t) => {
  t.match(refusal("cos\nsystem\n(S'touch /tmp/x'\ntR."), /x\.pickle holds a value of os\.system; only/);
  t.match(refusal("(S'x'\nios\nsystem\n."), /a value of os\.system/);
  t.match(refusal("c__builtin__\neval\n."), /holds __builtin__\.eval/);
  t.match(refusal("\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x01x\x85R."), /a value of builtins\.exec/);
  t.match(refusal("cbuiltins\ngetattr\n(Nt\x81."), /a value of builtins\.getattr/);
  t.match(refusal("cconstructor\nprototype\n)R."), /a value of constructor\.prototype/);
  const { value } = runPickle(bytes("\x80\x02cmy\nClass\n)\x81}X\x01\x00\x00\x00aK\x01sb."));
  t.ok(value instanceof PickleObject && value.type.fullName === "my.Class", "an unknown class is named");
  t.same((value as PickleObject).state, new Map([["a", 1]]), "with what the pickle says of it, unread");
});

t.test("damage is one sentence", async (t) => {
  for (const [text, pattern] of [
    ["", /ends early, 1 bytes were expected at byte 0/],
    ["\x80\x02", /ends early/],
    ["\x80\x09.", /protocol 9; protocols up to 5 are known \(byte 0\)/],
    [".", /an operand that is missing/],
    ["(.", /an operand that is missing/],
    ["NN(\x861.", /an operand that is missing/],
    ["\x80\x02N\x85\x85\x86.", /an operand that is missing/],
    ["e.", /a mark that is missing/],
    ["NNa.", /items for something that is no list/],
    ["NNNs.", /items for something that is no dict/],
    ["](NNu.", /items for something that is no dict/],
    ["}(Nu.", /a key without a value/],
    ["NN\x81.", /a call of something that is no class/],
    ["ca\nb\nNR.", /a call of a\.b without a tuple/],
    ["ccollections\nOrderedDict\n(NtR.", /made of no list/],
    ["ccollections\nOrderedDict\n(Nt\x85\x85R.", /made of no pairs/],
    ["X\xff\xff\xff\xffabc.", /ends early, 4294967295 bytes/],
    ["\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.", /ends early, Infinity bytes/],
    ["X\x01\x00\x00\x00\xff.", /a text that is not UTF-8/],
    ["h\x05.", /an empty place in the memo/],
    ["Ix\n.", /an integer that is none/],
    ["I0x10\n.", /an integer that is none/],
    [`I${"9".repeat(5000)}\n.`, /an integer that is none/],
    ["\x8b\xff\xff\xff\x7f.", /an integer of 2147483647 bytes/],
    ["F1e\n.", /a float that is none/],
    ["S'a\n.", /a string without its quotes/],
    ["V\\UFFFFFFFF\n.", /a character that does not exist/],
    ["\x82\x01.", /registry of extensions/],
    ["\x97.", /a buffer outside/],
    ["\x00.", /0x00, which is no opcode/],
    ["NQ.", /a reference to data outside/],
    ["P1\n.", /a reference to data outside/],
    ["p1\n.", /an operand that is missing/],
    [
      "c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00utf8tR.",
      /bytes in an encoding that is not Latin-1/,
    ],
  ] as const) {
    t.match(
      refusal(text),
      new RegExp(`^UserError: x\\.pickle is not a pickle that can be read: .*${pattern.source}`),
      JSON.stringify(text),
    );
  }
});

t.test("made to use up memory or the stack", async (t) => {
  t.match(refusal(`${"]0".repeat(1_000_001)}N.`), /more than 1000000 objects/);
  t.match(refusal(`${"N".repeat(1_000_001)}.`), /more than 1000000 objects/);
  t.match(refusal(`${"(".repeat(1_000_001)}.`), /more than 1000000 objects/);
  t.match(refusal(`${"]".repeat(50_000)}${"a".repeat(49_999)}.`), /nested more than 100 deep/);
  t.match(refusal("]q\x00h\x00a."), /a list or dict that contains itself/);
  t.match(refusal("}q\x00Nh\x00s."), /a list or dict that contains itself/);
  // 2³⁰ values in 30 lists of the same two lists.
  t.match(
    refusal(`]q\x00(NNe${`](h\x00h\x00eq\x00`.repeat(30)}.`),
    /lists of the same lists with more than 10000000 values/,
  );
  // A list of 100,000 copied 10,000 times by three bytes each.
  const copied = `](${"N".repeat(100_000)}eq\x00${"cbuiltins\nlist\nh\x00\x85R0".repeat(10_000)}N.`;
  t.match(refusal(copied), /more than 1000000 objects/);
  t.same(read("Nr\xff\xff\xff\xffj\xff\xff\xff\xff\x86."), [null, null], "the memo is no array");
});
