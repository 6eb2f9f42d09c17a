/** What captions say of scenes: the data set's own captions are read completely and judged right, lies are found. */
import t, { type Test } from "tap";
import { CaptionReader } from "../../dist/data/scenes/caption-reader.js";
import { SceneMaker } from "../../dist/data/scenes/maker.js";
import { type AnnotatedCaption, referencesOf } from "../../dist/data/scenes/references.js";
import type { Scene } from "../../dist/data/scenes/scene.js";
import { SCENE_SPLITS } from "../../dist/data/scenes/splits.js";
import { article } from "../../dist/data/scenes/things.js";
import { toldPhrases } from "../../dist/data/scenes/told.js";
import { type CaptionTruth, truthOf } from "../../dist/data/scenes/truth.js";
import { TRUTH_NAMES, truthMetrics } from "../../dist/data/scenes/truth-scores.js";
import { words } from "../../dist/text/words.js";
import { sceneArt as art } from "../support/scene-art.js";

const maker = new SceneMaker(art.things, art.sheet, { size: 96 });
const reader = new CaptionReader(art.things);
const VERDICTS = [
  ...(["relation", "relationShown", "count", "countShown", "place"] as const),
  ...(["ground", "size", "tone", "gender"] as const),
];

/** The annotated words as "word number, role, objects". */
function annotatedWords({ text, words: marks }: AnnotatedCaption): string[] {
  return marks.map(({ start, role, objects }) => {
    const number = words(text.slice(0, start)).length;
    return `${number} ${role} ${[...objects].sort().join()}`;
  });
}

/** The same from what the reader finds. */
function readWords(scene: Scene, text: string): string[] {
  return toldPhrases(scene, reader.read(text))
    .flatMap(({ role, words: numbers, objects }) =>
      numbers.map((number) => ({ number, line: `${number} ${role} ${objects.join()}` })),
    )
    .sort((a, b) => a.number - b.number)
    .map(({ line }) => line);
}

t.test(
  "all captions of 1,000 scenes of every split are read to the last word and right in all they say",
  async (t) => {
    let wrong = 0;
    const complain = (text: string) => {
      if (wrong++ < 20) t.fail(text);
    };
    for (const split of SCENE_SPLITS) {
      const stated = new Map<string, number>();
      for (let index = 0; index < 1000; index++) {
        const scene = maker.at(split, index);
        for (const [i, caption] of referencesOf(scene, 1, index).entries()) {
          const { text } = caption;
          const truth = truthOf(scene, reader, text);
          for (const name of VERDICTS) {
            if (truth[name] === 0) complain(`${name}: "${text}" of ${split} ${index}`);
            if (truth[name] === 1) stated.set(name, (stated.get(name) ?? 0) + 1);
          }
          if (truth.named !== truth.namedRight) complain(`"${text}" names something else`);
          if (i === 0 && truth.namedRight !== scene.entities.length) complain(`"${text}" does not name all`);
          const [own, read] = [annotatedWords(caption), readWords(scene, text)];
          if (own.join("; ") !== read.join("; "))
            complain(`"${text}": ${read.join("; ")}, not ${own.join("; ")}`);
        }
      }
      t.comment(`${split}: ${VERDICTS.map((name) => `${name} ${stated.get(name) ?? 0}`).join(", ")}`);
      for (const name of VERDICTS) {
        const never = ["pairs", "relations", "drawings"].includes(split) && name.startsWith("count");
        if (!never && (stated.get(name) ?? 0) < 50)
          t.fail(`${split}: only ${stated.get(name)} state ${name}`);
      }
    }
    t.equal(wrong, 0, "captions that are misread");
  },
);

/** The first training scene of a kind. */
function sceneWith(holds: (scene: Scene) => boolean): Scene {
  for (let index = 0; ; index++) {
    const scene = maker.at("train", index);
    if (holds(scene)) return scene;
  }
}
const pairOf = (relation: string) =>
  sceneWith(
    ({ arrangement, objects }) =>
      arrangement.kind === "pair" && arrangement.relation === relation && objects.length === 2,
  );
const a = (noun: string) => `${article(noun)} ${noun}`;
const namesOf = ({ entities }: Scene) =>
  entities.map(({ thing }) => a(thing.name)) as [string, string, string];
/** A thing that no scene shows beside these. */
const foreign = (scene: Scene) => {
  const shown = new Set(scene.entities.map(({ thing }) => thing.name));
  return a(["banana", "tent", "anchor"].find((name) => !shown.has(name))!);
};

function judged(t: Test, scene: Scene, text: string, expected: Partial<CaptionTruth>): void {
  const truth = truthOf(scene, reader, text);
  for (const [name, value] of Object.entries(expected))
    t.same(truth[name as keyof CaptionTruth], value, `${name} of "${text}"`);
}

t.test("relations: right, wrong, of something else, and half said", async (t) => {
  const scene = pairOf("left");
  const [cat, dog] = namesOf(scene);
  const judge = (text: string, expected: Partial<CaptionTruth>) => judged(t, scene, text, expected);
  judge(`${cat} left of ${dog}`, { relation: 1, relationShown: 1, named: 2, namedRight: 2 });
  judge(`${dog} to the right of ${cat}`, { relation: 1 });
  judge(`left of ${dog} there is ${cat}`, { relation: 1 });
  judge(`there is ${dog} and ${cat} is on the left side of it`, { relation: 1 });
  judge(`${dog} left of ${cat}`, { relation: 0, relationShown: 0 });
  judge(`left of ${cat} there is ${dog}`, { relation: 0 });
  judge(`${cat} above ${dog}`, { relation: 0 });
  judge(`${cat} in front of ${dog}`, { relation: 0 });
  judge(`${cat} covers part of ${dog}`, { relation: 0 });
  judge(`${cat} left of ${foreign(scene)}`, {
    relation: 0,
    relationShown: Number.NaN,
    named: 2,
    namedRight: 1,
  });
  judge(`${cat} left of`, { relation: 0, relationShown: Number.NaN });
  judge(`${cat} and ${dog} on a blue background`, { relation: Number.NaN, relationShown: Number.NaN });
  judge(`${cat} left of ${dog} left of ${foreign(scene)}`, { relation: 0, relationShown: 1 });
  judge(`a hippogriff left of ${dog}`, { relation: 0, named: 2, namedRight: 1 });
  judge(`${cat} left of a quick brown hippogriff`, { relation: 0, named: 2, namedRight: 1 });
  judge(`${cat} on a blue background left of ${dog}`, { relation: 1 });
});

t.test("next to, between, and two things beside a third", async (t) => {
  const far = sceneWith(
    ({ arrangement, objects, size }) =>
      arrangement.kind === "pair" &&
      arrangement.relation === "left" &&
      objects.length === 2 &&
      objects[1]!.box.x - objects[0]!.box.x - objects[0]!.box.width > size / 4,
  );
  judged(t, far, `${namesOf(far)[0]} next to ${namesOf(far)[1]}`, { relation: 0 });
  const middle = sceneWith(({ arrangement }) => arrangement.kind === "between" && arrangement.axis === "row");
  const [m, first, last] = namesOf(middle);
  judged(t, middle, `${m} between ${last} and ${first}`, { relation: 1 });
  judged(t, middle, `${first} between ${m} and ${last}`, { relation: 0 });
  judged(t, middle, `${m} has ${first} on one side and ${last} on the other`, { relation: 1 });
  judged(t, middle, `${last} has ${first} on one side and ${m} on the other`, { relation: 0 });
  judged(t, middle, `from left to right there is ${first} ${m} and ${last}`, { relation: 1 });
  judged(t, middle, `from left to right there is ${last} ${m} and ${first}`, { relation: 0 });
  judged(t, middle, `from top to bottom there is ${first} ${m} and ${last}`, { relation: 0 });
  judged(t, middle, `${first} left of ${m} with ${last} on the other side`, { relation: 1 });
  judged(t, middle, `${first} left of ${last} with ${m} on the other side`, { relation: 0 });
  const corner = sceneWith(
    ({ arrangement }) => arrangement.kind === "corner" && arrangement.relation === "above",
  );
  const [x, y, top] = namesOf(corner);
  judged(t, corner, `${x} left of ${y} with ${top} above them`, { relation: 1 });
  judged(t, corner, `${x} left of ${y} with ${top} below them`, { relation: 0 });
  judged(t, corner, `${y} left of ${x} and ${top} is above them`, { relation: 0 });
  judged(t, corner, `${x} and ${y} are below ${top}`, { relation: 1 });
  judged(t, corner, `${top} below ${x} and ${y}`, { relation: 0 });
});

t.test("numbers: of what is there, and of what is not", async (t) => {
  const scene = sceneWith(({ arrangement, objects }) => arrangement.kind === "group" && objects.length === 3);
  const { one, many } = scene.entities[0]!.thing.names[0]!;
  const judge = (text: string, expected: Partial<CaptionTruth>) => judged(t, scene, text, expected);
  judge(`there are three ${many}`, { count: 1, countShown: 1, objects: 3, things: 1, namedRight: 1 });
  judge(`a group of three ${many}`, { count: 1 });
  judge(`there are two ${many}`, { count: 0, countShown: 0 });
  judge(`a pair of ${many}`, { count: 0 });
  judge(`there is ${a(one)}`, { count: 0, namedRight: 1 });
  judge(`${many} in a row`, { count: Number.NaN, namedRight: 1 });
  judge(`there are three ${many} and two tents`, { count: 0, countShown: 1, named: 2 });
  const single = sceneWith(({ arrangement }) => arrangement.kind === "single");
  judged(t, single, namesOf(single)[0], { count: Number.NaN, namedRight: 1 });
});

t.test("sizes, tones, genders and names of two words", async (t) => {
  const scene = sceneWith(
    ({ arrangement, entities: [first] }) =>
      arrangement.kind === "single" && first!.size === "small" && first!.drawing.gender === "female",
  );
  const { thing, drawing } = scene.entities[0]!;
  const judge = (text: string, expected: Partial<CaptionTruth>) => judged(t, scene, text, expected);
  const other = drawing.tone === "dark" ? "light" : "dark";
  judge(`a small ${drawing.tone} skinned woman ${thing.name}`, {
    size: 1,
    tone: 1,
    gender: 1,
    named: 1,
    namedRight: 1,
  });
  judge(`a big male ${thing.name} with a ${other} skin tone`, { size: 0, tone: 0, gender: 0, namedRight: 1 });
  judge(`${a(thing.name)} with ${other} skin`, { size: Number.NaN, tone: 0, gender: Number.NaN });
  judge("a big dark skinned male tent", {
    size: Number.NaN,
    tone: Number.NaN,
    gender: Number.NaN,
    namedRight: 0,
  });
  judge(`a woman with ${drawing.tone} skin`, { named: 1, namedRight: 0 });
  const car = sceneWith(
    ({ entities, arrangement }) =>
      arrangement.kind === "single" &&
      entities[0]!.thing.name === "delivery truck" &&
      entities[0]!.size === "large",
  );
  judged(t, car, "a big truck", { named: 1, namedRight: 1, size: 1 });
  judged(t, car, "a small truck", { named: 1, namedRight: 1, size: 0 });
  judged(t, car, "a delivery truck", { namedRight: 1, size: Number.NaN });
});

t.test("grounds and places", async (t) => {
  const ground = (kind: string) =>
    sceneWith(({ arrangement, ground }) => arrangement.kind === "single" && ground.kind === kind);
  for (const kind of ["gradient", "stripes", "dots", "checks"] as const) {
    const scene = ground(kind);
    const [first, second] = scene.ground.colours.map(({ name }) => name) as [string, string];
    const forms: Record<typeof kind, (a: string, b: string) => string> = {
      gradient: (a, b) => `on a background fading from ${a} to ${b}`,
      stripes: (a, b) => `on a background with ${a} and ${b} stripes`,
      dots: (a, b) => `on a ${a} background with ${b} dots`,
      checks: (a, b) => `on a ${a} and ${b} checkerboard`,
    };
    const [thing] = namesOf(scene);
    judged(t, scene, `${thing} ${forms[kind](first, second)}`, { ground: 1, namedRight: 1, named: 1 });
    const swapped = kind === "gradient" || kind === "dots" ? 0 : 1;
    judged(t, scene, `${thing} ${forms[kind](second, first)}`, { ground: swapped });
    const other = ["red", "green", "blue"].find((name) => name !== first && name !== second)!;
    judged(t, scene, `${thing} ${forms[kind](first, other)}`, { ground: 0 });
    judged(t, scene, `${thing} on a plain ${first} background`, { ground: 0, named: 1 });
    judged(t, scene, `${thing} on a ${first} and a ${other} and ${second} background`, { ground: 0 });
  }
  const stripes = ground("stripes").ground;
  if (stripes.kind !== "stripes") throw new Error("no stripes");
  const [c, d] = stripes.colours.map(({ name }) => name);
  const direction = stripes.direction === "vertical" ? "horizontal" : "vertical";
  judged(t, ground("stripes"), `a dog on ${direction} ${c} and ${d} stripes`, { ground: 0 });
  judged(t, ground("stripes"), `a dog on ${stripes.direction} ${c} and ${d} stripes`, { ground: 1 });
  const orange = sceneWith(
    ({ entities, ground }) => entities[0]!.thing.name === "orange" && ground.kind === "plain",
  );
  const [{ name: colour }] = orange.ground.colours;
  judged(t, orange, `an orange against a ${colour} background`, { ground: 1, namedRight: 1 });
  judged(t, orange, "a dog on an orange and red background", { ground: 0, named: 1, namedRight: 0 });

  const corner = sceneWith(({ arrangement, entities, objects, size }) => {
    const { x, y, width, height } = objects[0]!.box;
    const isThere = x + width / 2 > 0.7 * size && y + height / 2 < 0.3 * size;
    return arrangement.kind === "single" && entities.length === 1 && isThere;
  });
  const [thing] = namesOf(corner);
  for (const [text, value] of [
    ["in the top right corner", 1],
    ["near the upper right corner of the picture", 1],
    ["on the right", 1],
    ["at the top", 1],
    ["in the top left corner", 0],
    ["on the left side of the picture", 0],
    ["in the middle", 0],
    ["at the bottom", 0],
  ] as const) {
    judged(t, corner, `${thing} ${text}`, { place: value, relation: Number.NaN });
    judged(t, corner, `${text} there is ${thing}`, { place: value, relation: Number.NaN });
  }
});

t.test("captions that say nothing of the kind, or nothing at all", async (t) => {
  const scene = pairOf("left");
  const nothing = Object.fromEntries(VERDICTS.map((name) => [name, Number.NaN]));
  for (const text of ["", "the picture shows", "[UNK]", "and and with", "cat"])
    judged(t, scene, text, { ...nothing, things: 2, objects: 2 });
  judged(t, scene, "", { named: 0, namedRight: 0 });
});

t.test("scores are sums over pictures of what captions state", async (t) => {
  const scenes = [pairOf("left"), pairOf("above"), sceneWith(({ objects }) => objects.length === 1)];
  const [cat, dog] = namesOf(scenes[0]!);
  const captions = [
    `${cat} left of ${dog}`,
    `${cat} left of ${dog} and a hippogriff`,
    namesOf(scenes[2]!)[0],
  ];
  const metrics = truthMetrics(art.things);
  t.same([...metrics.keys()], [...TRUTH_NAMES]);
  const captioned = { captions, scenes };
  const rowsOf = (name: (typeof TRUTH_NAMES)[number]) => [...metrics.get(name)!.rows(captioned)];
  t.same(rowsOf("objects1"), [0, 0, 0, 0, 1, 1]);
  t.same(rowsOf("objects2"), [1, 1, 0, 1, 0, 0]);
  t.same(rowsOf("objectPrecision"), [2, 2, 0, 3, 1, 1]);
  t.same(rowsOf("objectRecall"), [2, 2, 0, 2, 1, 1]);
  t.same(rowsOf("relation"), [1, 1, 0, 1, 0, 0]);
  t.same(rowsOf("relationShown"), [1, 1, 0, 0, 0, 0]);
  t.throws(
    () => metrics.get("count")!.rows({ captions, scenes: scenes.slice(1) }),
    /3 captions are not of 2 scenes/,
  );
  const other = { captions: captions.slice(1), scenes: scenes.slice(1) };
  t.same([...metrics.get("relation")!.rows(other)], [0, 1, 0, 0], "other captions are read anew");
});
