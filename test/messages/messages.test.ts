import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "tap";
import type { Progress } from "../../dist/cli/progress.js";
import { UserError } from "../../dist/platform/errors.js";
import { root } from "../mutations/mutation.js";
import { collectMessages, messagesOfCode } from "./collect.js";
import { DOCUMENT, documentOf } from "./document.js";
import { problemsOf } from "./rules.js";

test("all messages are in one list, as the sources have them", async (t) => {
  const messages = await collectMessages();
  t.ok(messages.length > 300, `${messages.length} messages`);
  const listed = readFileSync(join(root, DOCUMENT), "utf8");
  t.equal(documentOf(messages), listed, `${DOCUMENT} is up to date (npm run messages)`);
  for (const message of messages) {
    t.same(problemsOf(message), [], `${message.file}: ${message.text.slice(0, 80)}`);
  }
});

test("messages are found wherever they stand", (t) => {
  const texts = (code: string) => messagesOfCode(code, "src/some.ts").map(({ text }) => text);
  /** A function whose source is looked at; nothing calls it. */
  const sample = (path: string, n: number, progress: Progress) => {
    progress.warn(`warning: ${path}`);
    throw new UserError(`${path} is ${n > 1 ? "many" : "one"} ${n} long`);
  };
  t.same(texts(`const sample = ${sample}`), ["warning: {path}", "{path} is [many | one] {n} long"]);
  t.same(texts("new ShapeError('conv2d', 'two ' + 'parts')"), ["conv2d: two parts"]);
  t.same(texts("commandLine('a', 'Does it.').option('--x <n>', 'how many')"), ["Does it.", "how many"]);
  t.same(texts("this.messages.show('gpu', 'It is gone.')"), ["It is gone."]);
  t.end();
});

test("the rules find what they are there for", (t) => {
  const problems = (text: string) => problemsOf({ kind: "errors", file: "src/some.ts", text });
  for (const text of [
    "invalid seed",
    "wait, please",
    "it failed!",
    "it is undefined",
    "a clause with a stop.",
    "The sentence has none",
  ]) {
    t.equal(problems(text).length, 1, text);
  }
  t.same(problems("{path} holds no pictures; it should hold PNG, JPEG or WebP files"), []);
  t.end();
});
