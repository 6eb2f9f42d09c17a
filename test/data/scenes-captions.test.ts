/** Captions of scenes: true, of the right length, distinct, and each content word about the right objects. */
import t from "tap";
import { readEmojiSources } from "../../dist/data/emoji-sources.js";
import { SceneMaker } from "../../dist/data/scenes/maker.js";
import { referencesOf } from "../../dist/data/scenes/references.js";
import { SCENE_SPLITS } from "../../dist/data/scenes/splits.js";
import { article, listThings, plural } from "../../dist/data/scenes/things.js";
import { modulesDirectory, nodePlatform } from "../../dist/platform/node.js";
import { words } from "../../dist/text/words.js";
import { sceneArt as art } from "../support/scene-art.js";
import { wordNet } from "../wordnet.js";
import { untruths } from "./scene-truth.js";

const maker = new SceneMaker(art.things, art.sheet, { size: 96 });

t.test("every word of every caption is true of its scene", async (t) => {
  const vocabulary = new Set<string>();
  const lengths = new Map<number, number>();
  let wrong = 0;
  for (let index = 0; index < 2000; index++) {
    const scene = maker.at(index % 4 === 3 ? SCENE_SPLITS[1 + (index % 7)]! : "train", index);
    const captions = referencesOf(scene, 1, index);
    if (captions.length !== 10 || new Set(captions.map(({ text }) => text)).size !== 10)
      t.fail(`scene ${index} has not 10 different captions`);
    for (const { text } of captions) {
      const all = words(text);
      lengths.set(all.length, (lengths.get(all.length) ?? 0) + 1);
      for (const word of all) vocabulary.add(word);
      if (all.length < 5 || all.length > 20) t.fail(`${all.length} words: ${text}`);
      for (const problem of untruths(scene, text)) if (wrong++ < 10) t.fail(`${problem} in "${text}"`);
    }
    const first = captions[0]!.words.filter(({ role }) => role === "thing").flatMap(({ objects }) => objects);
    if (new Set(first).size !== scene.objects.length)
      t.fail(`"${captions[0]!.text}" does not name all objects`);
  }
  t.equal(wrong, 0, "claims that are not true");
  t.comment(
    `${vocabulary.size} different words; captions by words: ${[...lengths]
      .sort((a, b) => a[0] - b[0])
      .map(([n, count]) => `${n}: ${count}`)
      .join(", ")}`,
  );
  t.ok(vocabulary.size > 1000 && vocabulary.size < 1400, `${vocabulary.size} words`);
});

t.test("the checker finds lies", async (t) => {
  const scene = (kind: string, holds = (_: ReturnType<SceneMaker["at"]>) => true) => {
    for (let index = 0; ; index++) {
      const found = maker.at("train", index);
      if (found.arrangement.kind === kind && holds(found)) return found;
    }
  };
  const left = scene(
    "pair",
    ({ arrangement, objects }) =>
      arrangement.kind === "pair" && arrangement.relation === "left" && objects.length === 2,
  );
  const [a, b] = left.entities.map(({ thing }) => `${article(thing.name)} ${thing.name}`);
  t.same(untruths(left, `${a} left of ${b}`), []);
  t.match(untruths(left, `${a} right of ${b}`), ["0 right of 1: not true"]);
  t.match(untruths(left, `${b} left of ${a}`), ["1 left of 0: not true"]);
  t.match(untruths(left, `${a} above ${b}`), ["0 above 1: not true"]);
  t.match(untruths(left, `${a} left of ${b} on a turquoise background`), [/^no rule for/]);
  const two = scene("group", ({ objects }) => objects.length === 2);
  const { many } = two.entities[0]!.thing.names[0]!;
  t.same(untruths(two, `there are two ${many}`), []);
  t.match(untruths(two, `there are three ${many}`), [/2 of them/]);
});

t.test("each content word is about the objects that it names", async (t) => {
  for (let index = 0; index < 500; index++) {
    const scene = maker.at("train", index);
    for (const { text, words: marks } of referencesOf(scene, 1, index)) {
      for (const { start, end, role, objects } of marks) {
        const word = text.slice(start, end);
        if (!/^[a-z0-9'-]+$/.test(word)) t.fail(`"${word}" of "${text}" is no word`);
        if (objects.some((object) => scene.objects[object] === undefined)) t.fail("no such object");
        const entities = new Set(objects.map((object) => scene.objects[object]!.entity));
        if (role === "ground" ? objects.length > 0 : objects.length === 0)
          t.fail(`"${word}" is about nothing`);
        if (["thing", "count", "size", "tone", "gender"].includes(role) && entities.size !== 1)
          t.fail(`"${word}" of "${text}" is about ${entities.size} entities`);
        if (role !== "thing") continue;
        const { thing, objects: own } = scene.entities[[...entities][0]!]!;
        const names = thing.names.flatMap(({ one, many }) => [...one.split(" "), ...many.split(" ")]);
        if (!names.includes(word)) t.fail(`"${word}" is no name of ${thing.name}`);
        if (String(objects) !== String(own))
          t.fail(`"${word}" of "${text}" is not about all ${own.length} of them`);
      }
      const marked = marks.map(({ start, end }) => text.slice(start, end));
      const rest = words(text).filter((word) => !marked.includes(word));
      const known = new Set(
        "a an the is are there it them and with on in at to of from against by one each other side picture drawing shows background shown can be seen we see has part partly".split(
          " ",
        ),
      );
      for (const word of rest) if (!known.has(word)) t.fail(`"${word}" of "${text}" is about nothing`);
    }
  }
  t.pass("500 scenes");
});

t.test("things have names of one or two words, mostly; synonyms are CLDR's or WordNet's", async (t) => {
  const { emoji, names } = await readEmojiSources(nodePlatform.files, modulesDirectory("emojibase-data"));
  const things = listThings(emoji);
  t.same(things, art.things, "the art has these things");
  const short = things.filter(({ name }) => name.split(" ").length <= 2);
  t.comment(`${things.length} things, ${things.flatMap((thing) => thing.names).length} names`);
  t.ok(short.length >= 400, `${short.length} of ${things.length} things have names of 1 or 2 words`);
  const bases = new Map(emoji.map(({ code, base }) => [code, base]));
  const labels = new Map(emoji.map(({ code, label }) => [code, label]));
  const plain = (text: string) => words(text.replace(/[_-]/g, " ")).join(" ");
  for (const { name, names: own, drawings } of things) {
    const texts = drawings.flatMap(({ code }) => {
      const base = bases.get(code)!;
      const neutral = base.replace(/^1F46[89]-200D-/, "1F9D1-200D-");
      return [base, neutral].flatMap((one) => [
        labels.get(one) ?? "",
        ...(names.titles.get(one) ?? []),
        ...(names.shortcodes.get(one) ?? []),
        ...(names.keywords.get(one) ?? []),
      ]);
    });
    const said = new Set(texts.map(plain).flatMap((text) => [text, ...text.split(" ")]));
    for (const { one } of own.slice(1)) {
      const inCldr = plain(one)
        .split(" ")
        .every((word) => said.has(word));
      const inWordNet = own.some((other) => other.one !== one && wordNet.related(other.one, one));
      if (!inCldr && !inWordNet) t.fail(`${name}: "${one}" is neither CLDR's nor WordNet's`);
    }
  }
});

t.test("plurals and articles", async (t) => {
  const given = ["dog", "bus", "fox", "cherry", "toy", "torch", "brush"];
  t.same(given.map(plural), ["dogs", "buses", "foxes", "cherries", "toys", "torches", "brushes"]);
  t.same(["owl", "unicorn", "hourglass", "ufo", "umbrella", "dog"].map(article), [
    "an",
    "a",
    "an",
    "a",
    "an",
    "a",
  ]);
});
