/** Target: files of captions for score.js. */

import { pairCaptions, parseCaptionFile } from "../../dist/data/caption-files.js";
import { ptbWords } from "../../dist/metrics.js";
import { decodeText } from "../../dist/platform/text.js";
import { encodeText, mutateBytes, mutateJson } from "./mutate.js";
import { holds, type Target } from "./target.js";

const list = [
  { image_id: 7, caption: "a cat, the cat" },
  { image_id: "8", caption: "it's a (black) dog!" },
  { image_id: 9, caption: "une forêt 猫 🙂" },
];
/** The same captions in each form. A value is damaged as JSON, a text as bytes. */
const FORMS: readonly (readonly [string, unknown])[] = [
  ["results.json", list],
  ["annotations.json", { images: [], annotations: list }],
  ["object.json", { 7: "a cat", 8: ["it's a dog", "a dog"] }],
  ["lines.jsonl", list.map((entry) => JSON.stringify(entry)).join("\n")],
  ["table.csv", 'image_id,caption\n7,"a cat, the cat"\n8,it\'s a (black) dog!\n'],
];

export const results: Target = {
  name: "results",
  prepare(random) {
    const [name, value] = random.of(FORMS);
    const whole = typeof value === "string" ? value : JSON.stringify(value);
    const text = typeof value === "string" || random.chance(0.3) ? whole : mutateJson(random, value);
    const encoded = encodeText(random, text);
    const bytes = random.chance(0.5) ? mutateBytes(random, encoded) : encoded;
    return {
      size: bytes.length,
      read() {
        const read = parseCaptionFile(name, decodeText(bytes, name));
        holds(read.size > 0, "there is a caption");
        for (const captions of read.values()) {
          holds(captions.length > 0, "a picture that is named has a caption");
          for (const caption of captions)
            holds(
              ptbWords(caption).every((word) => word !== "" && !/[ \t\n]/.test(word)),
              "tokens have no white space",
            );
        }
        const { ids } = pairCaptions(read, read, { results: name, references: name });
        holds(ids.length === read.size, "each picture is scored");
        return JSON.stringify([...read]) === JSON.stringify([...parseCaptionFile(name, whole)])
          ? "same"
          : "other";
      },
    };
  },
};
