/** Deliberate mistakes in CLIP's tokens, in words of several tokens, and in the decoder's tables. */

import type { Mutation } from "./mutation.js";

const clip = "text/clip/clip.test.ts";
const pieces = "text/pieces.test.ts";
const decoder = "models/mc-diffusion/decoder.test.ts";

export const tokens: readonly Mutation[] = [
  {
    name: "clip: digits are one word",
    file: "src/text/clip/bpe.ts",
    find: "\\p{L}+|\\p{N}|(?:",
    replace: "\\p{L}+|\\p{N}+|(?:",
    tests: [`${clip} # ids and texts`],
  },
  {
    name: "clip: the last byte of a word is not marked",
    file: "src/text/clip/bpe.ts",
    find: "symbols[symbols.length - 1]! += 256;",
    replace: "symbols[0]! += 256;",
    tests: [`${clip} # ids and texts`],
  },
  {
    name: "clip: entities are unescaped once",
    file: "src/text/clip/clean.ts",
    find: "repairCharacters(unescapeHtml(unescapeHtml(text)))",
    replace: "repairCharacters(unescapeHtml(text))",
    tests: [`${clip} # ids and texts`],
  },
  {
    name: "clip: the text is not in lower case",
    file: "src/text/clip/clean.ts",
    find: '.replace(/^ | $/g, "")\n    .toLowerCase()',
    replace: '.replace(/^ | $/g, "")',
    tests: [`${clip} # ids and texts`],
  },
  {
    name: "clip: pairs merge from the left, not by their rank",
    file: "src/text/clip/merge-pairs.ts",
    find: "queue.push(result * PLACES + at)",
    replace: "queue.push((result % 1) * PLACES + at)",
    tests: [`${clip} # ids and texts`],
  },
  {
    name: "clip: a merge that another one made void is done",
    file: "src/text/clip/merge-pairs.ts",
    find: "if (right === null || merged(left.id, right.id) !== result) continue;",
    replace: "if (right === null) continue;",
    tests: [`${clip} # ids and texts`],
  },
  {
    name: "clip: a file's other ids are taken for its own",
    file: "src/text/clip/vocabulary.ts",
    find: "ids[token] !== id)",
    replace: "!(token in ids))",
    tests: [`${clip} # a wrong vocabulary`],
  },
  {
    name: "clip: OpenAI's list is read to its end",
    file: "src/text/clip/vocabulary.ts",
    find: "return lines.slice(0, CLIP_MERGES);",
    replace: "return lines.slice(0, CLIP_MERGES + 1);",
    tests: [`${clip} # all its forms`],
  },
  {
    name: "clip: a hyphen is a word of its own",
    file: "src/text/clip/clip-tokenizer.ts",
    find: 'if (sign !== "-" ||',
    replace: 'if (sign !== "–" ||',
    tests: [`${clip} # words are spans`],
  },
  {
    name: "clip: the long context loses its end",
    file: "src/text/clip/bpe.ts",
    find: "].slice(0, length - 1);",
    replace: "].slice(0, length);",
    tests: [`${clip} # what the text encoder reads`],
  },
  {
    name: "template: a gap may end with half a word",
    file: "src/text/template.ts",
    find: "gap: true, ending: i === count }",
    replace: "gap: true, ending: i > count }",
    tests: [`${pieces} # a gap is one word`],
  },
  {
    name: "template: half a word may stand before a listed one",
    file: "src/text/template.ts",
    find: "(ids[i + 1] ?? null) !== null",
    replace: "(ids[i + 1] ?? null) === -1",
    tests: [`${pieces} # lists`],
  },
  {
    name: "generate: half words are not kept out of gaps",
    file: "src/models/impossible-words.ts",
    find: "if (words?.ending?.at[i])",
    replace: "if (words?.ending?.at[i] === 2)",
    tests: [
      "captioner/pieces.test.ts # given words",
      "models/autoregressive/autoregressive.test.ts # lstm: guidance, given words",
    ],
  },
  {
    name: "captioner: the start token may be said",
    file: "src/captioner/options.ts",
    find: "unknownId === null ? neverSaid",
    replace: "unknownId === null ? neverSaid.slice(1)",
    tests: ["captioner/pieces.test.ts # given words"],
  },
  {
    name: "decoder: CLIP's table is trained",
    file: "src/models/mc-diffusion/decoder.ts",
    find: 'table("tokens", vocabulary + 1, onlyMask, false)',
    replace: 'table("tokens", vocabulary + 1, onlyMask, true)',
    tests: ["config/paper-preset.test.ts", `${decoder} # frozen tables`],
  },
  {
    name: "decoder: the tied head begins as large as the table",
    file: "src/models/mc-diffusion/decoder.ts",
    find: "isTied ? 1 / (TABLE_SPREAD * Math.sqrt(dim)) : 1",
    replace: "isTied ? 1 : 1",
    tests: [`${decoder} # a tied table is one parameter`],
  },
  {
    name: "decoder: a tied head reads the rows from the second on",
    file: "src/models/mc-diffusion/decoder.ts",
    find: "this.tokens!.slice(0, 0, this.shape.vocabulary)",
    replace: "this.tokens!.slice(0, 1, this.shape.vocabulary)",
    tests: [`${decoder} # tied with the head`],
  },
  {
    name: "decoder: sinusoids of t, not of t − 1",
    file: "src/models/mc-diffusion/tables.ts",
    find: "(((t - 1) / (rows! - 1)) * RESCALED)",
    replace: "((t / (rows! - 1)) * RESCALED)",
    tests: [`${decoder} # frozen tables`],
  },
  {
    name: "token table: CLIP's numbers stay as small as they are",
    file: "src/training/token-table.ts",
    find: "numbers[i]! * (TABLE_SPREAD / size)",
    replace: "numbers[i]! * (TABLE_SPREAD / (size * 2))",
    tests: ["commands/clip-tokens.test.ts"],
  },
  {
    name: "preset paper: without CLIP's table, its frozen table is kept",
    file: "src/config/resolve.ts",
    find: 'values.get(file) === "") values.set(key, instead);',
    replace: 'values.get(file) === " ") values.set(key, instead);',
    tests: ["config/paper-preset.test.ts"],
  },
  {
    name: "page: the attention of a word is that of its first token",
    file: "web/src/caption-words.ts",
    find: "return sum / (to - from);",
    replace: "return data[from * columns + column]!;",
    tests: ["browser/caption-words.test.ts"],
  },
];
