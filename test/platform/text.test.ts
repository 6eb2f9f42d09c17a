import t from "tap";
import { decodeText } from "../../dist/platform/text.js";

const bytes = (...values: number[]) => Uint8Array.from(values);
const utf8 = (text: string) => new TextEncoder().encode(text);

function utf16(text: string, little: boolean, mark = true): Uint8Array {
  const units = (mark ? "\uFEFF" : "") + text;
  const out = new Uint8Array(2 * units.length);
  const view = new DataView(out.buffer);
  for (let i = 0; i < units.length; i++) view.setUint16(2 * i, units.charCodeAt(i), little);
  return out;
}

t.test("UTF-8 and marked UTF-16 are read, without their marks", async (t) => {
  const text = "déjà vu, ΜΑΪΟΥ, 猫 🐈\r\nzwei";
  t.equal(decodeText(utf8(text), "f"), text);
  t.equal(decodeText(utf8(`\uFEFF${text}`), "f"), text);
  t.equal(decodeText(utf16(text, true), "f"), text);
  t.equal(decodeText(utf16(text, false), "f"), text);
  t.equal(decodeText(bytes(), "f"), "");
  t.equal(decodeText(bytes(0xef, 0xbb, 0xbf), "f"), "");
});

t.test("other bytes are refused with their line and place", async (t) => {
  const message = (data: Uint8Array) => {
    try {
      return decodeText(data, "data/captions.csv");
    } catch (error) {
      t.equal((error as Error).name, "UserError");
      return (error as Error).message;
    }
  };
  // "a café" as Windows-1252, in the third line.
  const windows = bytes(...utf8("file,caption\na.png,cat\nb.png,a caf"), 0xe9, ...utf8(" table\n"));
  t.equal(
    message(windows),
    "data/captions.csv is not UTF-8: line 3 has the byte 0xe9 (byte 35 of the file); save it as UTF-8.",
  );
  for (const end of ["\n", "\r\n", "\r"]) {
    t.match(message(bytes(...utf8(`a${end}b${end}`), 0xff)), /line 3 has the byte 0xff/, JSON.stringify(end));
  }
  t.match(message(bytes(...utf8("ok é"), 0xc3)), /byte 0xc3 \(byte 6 of/, "a character cut at the end");
  t.match(message(bytes(0x80)), /line 1 has the byte 0x80 \(byte 1 of/);
  t.match(message(bytes(0xc3, 0x28)), /line 1 has the byte 0xc3 \(byte 1 of/);
  t.match(message(utf16("file,caption,split", true, false)), /UTF-16 without a byte order mark/);
  t.match(message(bytes(0xff, 0xfe, 0x00)), /cut or damaged UTF-16/);
});
