/** Captions with one thing swapped: false of their scene in what they name, sentences of the grammar, the same every time. */

import t from "tap";
import { CaptionReader } from "../../dist/data/scenes/caption-reader.js";
import type { NounReading } from "../../dist/data/scenes/claims.js";
import { SceneMaker } from "../../dist/data/scenes/maker.js";
import { type AnnotatedCaption, referencesOf } from "../../dist/data/scenes/references.js";
import type { Scene } from "../../dist/data/scenes/scene.js";
import { CaptionSwapper, SWAPS, type Swap } from "../../dist/data/scenes/swapped.js";
import { article } from "../../dist/data/scenes/things.js";
import { type CaptionTruth, truthOf } from "../../dist/data/scenes/truth.js";
import { sceneArt as art } from "../support/scene-art.js";

const maker = new SceneMaker(art.things, art.sheet, { size: 96 });
const reader = new CaptionReader(art.things);
const swapper = new CaptionSwapper(art.things, reader);

/** What a swap of a kind may make false, and whether it must. */
function isFalseAsNamed(scene: Scene, swap: Swap, text: string, truth: CaptionTruth): boolean {
  const { relation, count, place, ground, size, tone, gender, named, namedRight } = truth;
  const rest = { relation, count, place, ground, size, tone, gender };
  const wrong = Object.entries(rest).flatMap(([name, verdict]) => (verdict === 0 ? [name] : []));
  switch (swap) {
    case "object":
      // What is said of the wrong thing is wrong as well.
      return named === namedRight + 1;
    case "attribute":
      return (
        named === namedRight &&
        wrong.length === 1 &&
        ["count", "ground", "size", "tone", "gender"].includes(wrong[0]!)
      );
    case "relation": {
      const { arrangement } = scene;
      if (arrangement.kind === "group")
        return arrangement.shape === "row"
          ? /one (above|below) the other|in a column/.test(text)
          : /in a row|side by side|next to each other/.test(text);
      return (
        named === namedRight &&
        wrong.every((name) => name === "relation" || name === "place") &&
        wrong.length > 0
      );
    }
    case "place":
      return named === namedRight && wrong.join() === "place";
  }
}

const people = new Set(art.things.filter(({ kind }) => kind === "person").map(({ name }) => name));

/** Whether something that is no person has a skin or a gender. */
function isOddlyDescribed({ tone, gender, things }: NounReading): boolean {
  return (tone !== null || gender !== null) && !things.some((name) => people.has(name));
}

/** Whether a verb right after the first noun phrase has another number: "a cat are left of two dogs". */
function isDisagreeing(text: string): boolean {
  const [phrase = "", verb] = text.split(/ (is|are) /);
  const isPhrase = !/ (and|on|left|right|above|below|under|over|beneath|behind|in|next|beside|close) |,/.test(
    phrase,
  );
  const [first = ""] = phrase.split(" ");
  const starts = /^(an?|two|three|four)$/.test(first);
  return verb !== undefined && isPhrase && starts && first.startsWith("a") !== (verb === "is");
}

/** All captions of some scenes of a split, with their swapped forms. */
function* swaps(split: "train" | "test" | "pairs", count: number) {
  for (let index = 0; index < count; index++) {
    const scene = maker.at(split, index);
    for (const [number, caption] of referencesOf(scene, 1, index).entries())
      for (const swap of SWAPS)
        yield {
          ...{ scene, caption, swap },
          swapped: swapper.swapped(scene, caption, swap, { seed: 1, index: 10 * index + number }),
        };
  }
}

t.test("a swapped caption is false in what it is named after, and in nothing else", async (t) => {
  const made = new Map<string, number>();
  let wrong = 0;
  for (const { scene, caption, swap, swapped } of swaps("test", 250)) {
    const key = `${swap} of ${scene.arrangement.kind}`;
    made.set(key, (made.get(key) ?? 0) + (swapped ? 1 : 0));
    if (!swapped) continue;
    const truth = truthOf(scene, reader, swapped.text);
    if (!isFalseAsNamed(scene, swap, swapped.text, truth) && wrong++ < 10)
      t.fail(`${swap}: "${caption.text}" became "${swapped.text}"`);
  }
  t.equal(wrong, 0);
  for (const [kind, kinds] of [
    ["object", ["single", "group", "pair", "between", "corner"]],
    ["attribute", ["single", "group", "pair", "between", "corner"]],
    ["relation", ["group", "pair", "between", "corner"]],
    ["place", ["single", "pair"]],
  ] as const)
    for (const arrangement of kinds)
      t.ok(made.get(`${kind} of ${arrangement}`)! > 20, `${kind} of ${arrangement}`);
});

t.test("an object can be swapped in every caption", async (t) => {
  let missing = 0;
  for (const { swap, swapped } of swaps("train", 60)) if (swap === "object" && !swapped) missing++;
  t.equal(missing, 0);
});

t.test(
  "swapped captions are grammatical: articles, numbers, verbs; the reader knows every phrase",
  async (t) => {
    let wrong = 0;
    for (const { swap, swapped } of [...swaps("pairs", 60), ...swaps("train", 250)]) {
      if (!swapped) continue;
      const { text } = swapped;
      const words = text.split(/,? /);
      const { dangling, nouns } = reader.read(text);
      const problem =
        words.some((word, i) => /^an?$/.test(word) && word !== article(words[i + 1]!)) ||
        /hidden in front|(left|right|above|below|over|under|beneath|of) each other|\bother \w+ other/.test(
          text,
        ) ||
        isDisagreeing(text) ||
        nouns.some(({ readings }) => readings.every(isOddlyDescribed)) ||
        dangling > 0 ||
        nouns.some(({ readings }) => readings.length === 0) ||
        /\b(there is|a|an) (two|three|four)\b(?! leaf)|\bthere are an?\b/.test(text) ||
        text !== text.trim() ||
        /,,|, ,/.test(text);
      if (problem && wrong++ < 10) t.fail(`${swap}: "${text}"`);
    }
    t.equal(wrong, 0);
  },
);

t.test("the same arguments give the same caption, another index another one", async (t) => {
  const scene = maker.at("train", 7);
  const captions = referencesOf(scene, 1, 7);
  const texts = (index: number) =>
    captions.map((caption) => swapper.swapped(scene, caption, "object", { seed: 1, index })?.text);
  const once = texts(3);
  t.same(
    new CaptionSwapper(art.things, reader).swapped(scene, captions[0]!, "object", { seed: 1, index: 3 })
      ?.text,
    once[0],
  );
  t.same(texts(3), once);
  t.notSame(texts(4), once);
});

t.test("a caption that is not true is not swapped", async (t) => {
  const scene = maker.at("train", 7);
  const [caption] = referencesOf(maker.at("train", 8), 1, 8) as [AnnotatedCaption];
  for (const swap of SWAPS) t.equal(swapper.swapped(scene, caption, swap, { seed: 1, index: 1 }), null, swap);
});
