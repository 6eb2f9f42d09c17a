/** Alignment of words with things, of hand-made models whose attention and log-probabilities are known. */
import t from "tap";
import { CaptionReader } from "../../../dist/data/scenes/caption-reader.js";
import { visibleBoxes } from "../../../dist/data/scenes/compose.js";
import { overlap } from "../../../dist/data/scenes/geometry.js";
import { SceneMaker } from "../../../dist/data/scenes/maker.js";
import { entityBox, entityRelation, type Scene } from "../../../dist/data/scenes/scene.js";
import { article } from "../../../dist/data/scenes/things.js";
import { EDITS, type Edit, edited } from "../../../dist/evaluation/alignment/edits.js";
import {
  type MeasuredPicture,
  measureCaption,
  type PlacedPhrase,
  type WordModel,
  type WordQuestion,
} from "../../../dist/evaluation/alignment/looks.js";
import { placedPhrases } from "../../../dist/evaluation/alignment/pictures.js";
import { aucOf, cellsOf, elsewhere, lookAt, regionOf } from "../../../dist/evaluation/alignment/regions.js";
import { alignmentLegend, alignmentOf, alignmentTables } from "../../../dist/evaluation/alignment/tables.js";
import { type PairLook, tellApart, tokenPair } from "../../../dist/evaluation/alignment/told-apart.js";
import { WordTokenizer, words } from "../../../dist/text/words.js";
import { sceneArt as art } from "../../support/scene-art.js";

const [size, side] = [96, 12];
const maker = new SceneMaker(art.things, art.sheet, { size });
const reader = new CaptionReader(art.things);
const close = (actual: number, expected: number) => Math.abs(actual - expected) < 1e-9;

t.test("regions: what boxes cover of each cell", async (t) => {
  const box = { x: 8, y: 20, width: 20, height: 8 };
  const region = regionOf([box], size, side);
  t.ok(close(region.covered.reduce((a, b) => a + b) * 64, 160), "the area of the box");
  t.same(cellsOf(region), [25, 26, 27, 37, 38, 39]);
  t.equal(region.covered[25], 0.5, "rows 20 to 24 of the cell's rows 16 to 24");
  t.equal(region.covered[27], 0.25);
  t.equal(region.covered[37], 0.5);
  // Middles at x = 12, 20 and 28, y = 20 and 28: the box begins at y = 20 and ends before x = 28.
  t.same(
    [...region.inside.keys()].filter((s) => region.inside[s]),
    [25, 26],
  );
  const twice = regionOf([box, { ...box, x: 12 }], size, side);
  t.ok(close(twice.covered.reduce((a, b) => a + b) * 64, 24 * 8), "what two boxes share counts once");
  t.throws(() => regionOf([box], size, 10), /96 pixels are not divided into 10 cells/);
});

t.test("attention in a region", async (t) => {
  const region = regionOf([{ x: 16, y: 16, width: 24, height: 16 }], size, side);
  const cells = cellsOf(region);
  t.equal(cells.length, 6);
  const even = lookAt(new Float64Array(144).fill(3), region);
  t.ok(
    close(even.inBox, 6 / 144) && close(even.area, 6 / 144),
    "even attention lies in a box as its area says",
  );
  t.ok(close(even.auc, 0.5) && close(even.pointedByChance, 6 / 144));
  const sharp = Float64Array.from({ length: 144 }, (_, s) => (cells.includes(s) ? 0.1 : 0.01));
  const look = lookAt(sharp, region);
  t.ok(close(look.inBox, 0.6 / (0.6 + 1.38)), "a share of all attention");
  t.same([look.pointed, look.auc], [1, 1]);
  sharp[0] = 0.2;
  const other = lookAt(sharp, region);
  t.equal(other.pointed, 0, "the largest weight is elsewhere");
  t.ok(close(other.auc, 1 - 1 / 138));
  t.ok(Number.isNaN(lookAt(sharp, regionOf([{ x: 0, y: 0, width: size, height: size }], size, side)).auc));
  t.ok(close(aucOf([3, 1], [2, 1]), (1 + 1 + 0 + 0.5) / 4));
});

t.test("the same shape elsewhere", async (t) => {
  const cells = [13, 14, 25, 26];
  const places = elsewhere(cells, side, 1000);
  t.equal(new Set(places.map(String)).size, places.length, "each place once");
  // 11 × 11 places of a square of 2; the own one and those half on it are too near: itself and 4 neighbours.
  t.equal(places.length, 121 - 5);
  for (const place of places) {
    t.same(
      place.map((s) => s - place[0]!),
      [0, 1, 12, 13],
      "moved as a whole",
    );
    t.ok(place.filter((s) => cells.includes(s)).length <= 1, "at most a quarter shared");
  }
  const few = elsewhere(cells, side, 4);
  t.equal(few.length, 4);
  t.ok(few.every((place) => places.some((one) => String(one) === String(place))));
  t.ok(few[0]![0]! < 50 && few[3]![0]! > 90, "spread over the picture");
  t.same(elsewhere([...Array(132).keys()], side, 4), [], "no room for eleven rows");
});

t.test("edits: removed, moved and grown as said, without touching others", async (t) => {
  const seen: Record<Edit, number> = { removed: 0, moved: 0, grown: 0 };
  for (let index = 0; index < 150; index++) {
    const scene = maker.at("train", index);
    for (const edit of EDITS)
      for (const [number, entity] of scene.entities.entries()) {
        const after = edited(scene, number, edit, art.sheet);
        if (after === null) {
          if (edit === "grown") continue;
          if (edit === "removed") t.fail("everything can be removed");
          continue;
        }
        seen[edit]++;
        if (edit === "removed") {
          t.same([...after.hidden], entity.objects);
          t.notOk(after.truth.entities.includes(entity));
          t.equal(after.scene, scene, "drawn without it");
          continue;
        }
        t.equal(after.hidden.size, 0);
        const now = after.scene.entities[number]!;
        const [from, to] = [entityBox(scene, entity), entityBox(after.scene, now)];
        const others = after.scene.objects.filter((object) => object.entity !== number);
        t.same(
          others,
          scene.objects.filter((object) => object.entity !== number),
          "others stay",
        );
        t.ok(to.x >= 0 && to.y >= 0 && to.x + to.width <= size && to.y + to.height <= size, "in the picture");
        t.ok(
          others.every(({ box }) => overlap(box, to) === 0),
          "touches no other thing",
        );
        if (edit === "moved") {
          t.same([to.width, to.height], [from.width, from.height]);
          t.ok(Math.hypot(to.x - from.x, to.y - from.y) >= size / 4, "far");
        } else {
          const [object] = now.objects.map((one) => after.scene.objects[one]!);
          t.equal(now.size, "large");
          t.match(art.sheet.extent(now.vendor, now.drawing.code, object!.side), {
            width: to.width,
            height: to.height,
          });
          t.ok(Math.max(to.width, to.height) > Math.max(from.width, from.height));
        }
        const boxes = visibleBoxes(after.scene, art.sheet);
        t.ok(
          now.objects.every((one) => boxes[one] !== null),
          "is drawn",
        );
      }
  }
  t.ok(seen.removed > 200 && seen.moved > 150 && seen.grown > 80, JSON.stringify(seen));
});

/** A pair "left" of two single things with a gap. */
function leftPair(): Scene {
  for (let index = 0; ; index++) {
    const scene = maker.at("train", index);
    const { arrangement, objects, entities } = scene;
    const isSmall = entities.every((entity) => entity.size !== "large");
    if (arrangement.kind === "pair" && arrangement.relation === "left" && objects.length === 2 && isSmall)
      if (entities.every((_, i) => edited(scene, i, "moved", art.sheet))) return scene;
  }
}

const scene = leftPair();
const nameOf = (number: number) => scene.entities[number]!.thing.name;
const text = `${article(nameOf(0))} ${nameOf(0)} left of ${article(nameOf(1))} ${nameOf(1)}`;
const tokenizer = new WordTokenizer([...new Set(words(text))]);
const phrases = placedPhrases(scene, reader, tokenizer, tokenizer.encodeFixed(text, 16));
/** The codes of each edited picture begin with this and its number. */
const EDITED = 900;
const MASKED = 999;

function pictureOf(own: readonly PlacedPhrase[] = phrases): MeasuredPicture {
  const edits = EDITS.flatMap((edit) =>
    scene.entities.flatMap((_, number) => {
      const after = edited(scene, number, edit, art.sheet);
      return after ? [{ ...after, edit, number }] : [];
    }),
  );
  return {
    scene,
    boxes: visibleBoxes(scene, art.sheet),
    codes: Uint32Array.from({ length: side * side }, (_, s) => s),
    tokens: tokenizer.encodeFixed(text, 16),
    phrases: own,
    edits: edits.map((edit, i) => ({ ...edit, codes: new Uint32Array(side * side).fill(EDITED + i) })),
  };
}

/** A model that answers with `logProbability` of a phrase under some codes, and `attention` of it. */
function modelOf(
  logProbability: (phrase: number, codes: Uint32Array) => number,
  attention: (phrase: number) => ArrayLike<number>,
): WordModel & { asked: WordQuestion[] } {
  const asked: WordQuestion[] = [];
  return {
    ...{ side, maskedCode: MASKED, asked },
    async ask(question) {
      asked.push(question);
      return {
        logProbabilities: question.conditions.map((codes) =>
          Float64Array.from(question.hidden, (_, p) => logProbability(p, codes)),
        ),
        attention: question.hidden.map((_, p) => Float32Array.from(attention(p))),
      };
    },
  };
}

const boxesOf = ({ phrases: own, boxes }: MeasuredPicture, p: number) =>
  own[p]!.objects.map((number) => boxes[number]!);
const cellsOfPhrase = (picture: MeasuredPicture, p: number) =>
  cellsOf(regionOf(boxesOf(picture, p), size, side));

t.test("phrases of a caption by their tokens", async (t) => {
  const told = phrases.map(({ role, text: said, objects }) => [role, said, objects.join()]);
  t.same(told, [
    ["thing", nameOf(0), "0"],
    ["relation", "left", "0,1"],
    ["thing", nameOf(1), "1"],
  ]);
  const all = words(text);
  for (const { positions, text: said } of phrases)
    t.equal(positions.map((position) => all[position]).join(" "), said, "the positions of its words");
});

t.test("a model that sees each thing where it is", async (t) => {
  const picture = pictureOf();
  const share = (p: number, codes: Uint32Array) => {
    const cells = cellsOfPhrase(picture, p);
    return cells.filter((cell) => codes[cell] === MASKED).length / cells.length;
  };
  const model = modelOf(
    (p, codes) => -1 - p - 2 * share(p, codes),
    (p) => regionOf(boxesOf(picture, p), size, side).covered,
  );
  const { phrases: looks } = (await measureCaption(model, picture))!;
  const [asked] = model.asked as [WordQuestion];
  t.same(
    asked.hidden,
    phrases.map(({ positions }) => positions),
    "each phrase is hidden by itself",
  );
  t.same(asked.conditions[0], picture.codes, "the picture itself comes first");
  t.same([...new Set(asked.conditions.map((codes) => codes.length))], [side * side]);
  t.equal(looks.length, 3);
  for (const [p, look] of looks.entries()) {
    t.equal(look.logProbability, -1 - p);
    t.ok(close(look.own, -2), `${look.text}: hiding its own region costs ${look.own}`);
    t.equal(look.attention.auc > 0.9, true);
    t.equal(look.attention.pointed, 1);
    t.ok(Math.abs([...look.map].reduce((a, b) => a + b) - 1) < 1e-5, "the map is normalised");
  }
  const [first, relation, second] = looks;
  t.ok(first!.regionAuc === 1 && second!.regionAuc === 1, "nowhere else costs as much");
  // The things share no cell unless their boxes meet in one.
  const shared = cellsOfPhrase(picture, 0).filter((cell) => cellsOfPhrase(picture, 2).includes(cell)).length;
  t.ok(close(first!.others, (-2 * shared) / cellsOfPhrase(picture, 2).length), `others ${first!.others}`);
  t.ok(Number.isNaN(relation!.others), "nothing is foreign to the relation of both");
  t.same([first!.size, relation!.size], [scene.entities[0]!.size, null]);
});

t.test("a model that sees nothing, and one that looks at the wrong thing", async (t) => {
  const picture = pictureOf();
  const blind = modelOf(
    () => -3,
    () => new Float64Array(side * side).fill(1),
  );
  for (const look of (await measureCaption(blind, picture))!.phrases) {
    t.same([look.own, look.logProbability], [0, -3]);
    t.ok(Number.isNaN(look.regionAuc) || look.regionAuc === 0.5, "by chance");
    t.ok(close(look.attention.inBox, look.attention.area) && close(look.attention.auc, 0.5));
  }
  const swapped = modelOf(
    (p, codes) => -cellsOfPhrase(picture, 2 - p).filter((cell) => codes[cell] === MASKED).length,
    (p) =>
      Float64Array.from({ length: side * side }, (_, s) => Number(cellsOfPhrase(picture, 2 - p).includes(s))),
  );
  const [first] = (await measureCaption(swapped, picture))!.phrases;
  t.ok(first!.others < first!.own && first!.others < -3, "hiding it costs the other word");
  t.ok(first!.regionAuc < 0.5 && first!.attention.auc < 0.6 && first!.attention.pointed === 0);
});

t.test("edits: what they make false, and what stays true", async (t) => {
  const picture = pictureOf();
  /** Whether a phrase is true after an edit, from boxes alone. */
  const isTrue = (edit: (typeof picture.edits)[number], p: number) => {
    const gone = (number: number) => edit.hidden.has(number);
    if (p !== 1) return !gone(p === 0 ? 0 : 1);
    if (gone(0) || gone(1)) return false;
    const [a, b] = edit.scene.entities;
    return entityRelation(edit.scene, a!, b!) === "left";
  };
  const model = modelOf(
    (p, codes) => {
      const edit = picture.edits[codes[0]! - EDITED];
      if (!edit) return -1;
      return isTrue(edit, p) ? -1.25 : -5;
    },
    () => new Float64Array(side * side).fill(1),
  );
  const { edits } = (await measureCaption(model, picture))!;
  t.equal(edits.length, picture.edits.length);
  t.same(
    edits.map(({ edit }) => edit),
    picture.edits.map(({ edit }) => edit),
  );
  for (const [i, { edit, madeFalse, stillTrue, auc }] of edits.entries()) {
    const truths = [0, 1, 2].map((p) => isTrue(picture.edits[i]!, p));
    t.same(madeFalse, truths.includes(false) ? -4 : Number.NaN, `${edit}: made false`);
    t.same(stillTrue, truths.includes(true) ? -0.25 : Number.NaN, `${edit}: still true`);
    t.same(auc, truths.includes(true) && truths.includes(false) ? 1 : Number.NaN, edit);
  }
  t.ok(edits.some(({ edit, madeFalse }) => edit === "removed" && madeFalse === -4));
});

t.test("pairs of captions: by the tokens in which they differ, where both have as many", async (t) => {
  const truth = "a cat to the left of a dog";
  const own = new WordTokenizer([...new Set(words(truth)), "right", "above", "bus"]);
  const [cat, dog, left, right, above] = ["cat", "dog", "left", "right", "above"].map(
    (word) => own.encode(word)[0]!,
  ) as [number, number, number, number, number];
  const pair = (lie: string, length = 12) => tokenPair(own, length, { truth, lie });
  t.same(pair("a cat to the right of a dog")?.differ, [4]);
  const exchanged = pair("a dog to the left of a cat")!;
  t.same(exchanged.differ, [1, 7]);
  t.same(
    [exchanged.truth, exchanged.lie].map((tokens) => exchanged.differ.map((i) => tokens[i])),
    [
      [cat, dog],
      [dog, cat],
    ],
  );
  t.equal(pair("a cat above a dog"), null, "other positions");
  t.equal(pair("a cat to the left of a cow"), null, "a word that the model does not know");
  t.equal(pair(truth), null, "nothing differs");
  t.equal(pair("a cat to the right of a dog", 8), null, "cut");
  t.ok(pair("a cat to the right of a dog", 9), "as long as fits with its end");

  const asked: WordQuestion[] = [];
  const codes = Uint32Array.from({ length: side * side }, (_, s) => s);
  /** Knows the direction if it sees the picture, and prefers "right" if not; of things it likes cats. */
  const model: WordModel = {
    ...{ side, maskedCode: MASKED },
    async ask(question) {
      asked.push(question);
      const logProbabilities = question.conditions.map((seen) =>
        Float64Array.from(question.hidden, (positions) =>
          positions.reduce((sum, i) => {
            const token = question.tokens[i]!;
            const liked = seen[0] === MASKED ? right : left;
            return sum + (token === liked || token === above ? -1 : token === cat ? -2 : -4);
          }, 0),
        ),
      );
      return { logProbabilities, attention: [] };
    },
  };
  const looks = await tellApart(model, own, 12, codes, {
    relation: { truth, lie: "a cat to the right of a dog" },
    place: { truth, lie: "a dog to the left of a cat" },
    object: { truth, lie: "a bus to the left of a dog" },
    attribute: { truth, lie: "a cat above a dog" },
  });
  t.same(looks, [
    { swap: "object", logOdds: 2, trueFirst: 1, blindTrueFirst: 1 },
    { swap: "relation", logOdds: 3, trueFirst: 1, blindTrueFirst: 0 },
    { swap: "place", logOdds: 0, trueFirst: 0.5, blindTrueFirst: 0.5 },
  ]);
  t.equal(asked.length, 6, "nothing is asked of a pair that cannot be compared");
  t.same(
    asked.slice(2, 4).map(({ tokens, hidden }) => [tokens[4], hidden]),
    [
      [left, [[4]]],
      [right, [[4]]],
    ],
    "both with the same words hidden",
  );
  for (const { conditions } of asked)
    t.same(conditions, [codes, new Uint32Array(side * side).fill(MASKED)], "the picture, and none");
});

t.test("captions without a word about the picture", async (t) => {
  const model = modelOf(
    () => -1,
    () => new Float64Array(side * side).fill(1),
  );
  t.equal(await measureCaption(model, pictureOf([])), null);
  t.equal(model.asked.length, 0, "nothing is asked");
  t.same(placedPhrases(scene, reader, tokenizer, tokenizer.encodeFixed("", 16)), []);
});

t.test("tables: means over words, intervals over pictures, differences to the first model", async (t) => {
  const picture = pictureOf();
  const looksOf = async (depth: number) => {
    const model = modelOf(
      (p, codes) => -depth * cellsOfPhrase(picture, p).filter((cell) => codes[cell] === MASKED).length,
      () => new Float64Array(side * side).fill(1),
    );
    return (await measureCaption(model, picture))!;
  };
  const [shallow, deep] = [await looksOf(1), await looksOf(2)];
  const pair = (trueFirst: number): PairLook => ({
    ...{ swap: "relation", logOdds: 2 * trueFirst - 1, trueFirst, blindTrueFirst: 0.5 },
  });
  const models = [
    { name: "none", looks: [shallow, null, shallow, deep], pairs: [[pair(0)], [pair(1)], [], [pair(0)]] },
    { name: "mcs", looks: [deep, null, deep, deep], pairs: [[pair(1)], [pair(1)], [], [pair(0)]] },
  ];
  const alignment = alignmentOf(models, 200);
  const row = (model: string, of: string) =>
    [...alignment.roles, ...alignment.sizes, ...alignment.edits, ...alignment.pairs].find(
      (one) => one.model === model && one.of === of,
    )!;
  t.same([row("none", "all").count, row("none", "thing").count, row("none", "relation").count], [9, 6, 3]);
  t.equal(row("none", "count").count, 0);
  t.ok(Number.isNaN(row("none", "count").scores.own!.mean));
  const cells = [0, 2].map((p) => cellsOfPhrase(picture, p).length);
  const mean = (cells[0]! + cells[1]!) / 2;
  t.ok(close(row("mcs", "thing").scores.own!.mean, -2 * mean));
  t.ok(close(row("none", "thing").scores.own!.mean, (-4 / 3) * mean), "pictures without words count nothing");
  t.ok(close(row("mcs", "thing").differences!.own!.mean, (-2 / 3) * mean));
  t.equal(row("none", "thing").differences, null);
  const { low, high } = row("none", "thing").scores.own!;
  t.ok(low < (-4 / 3) * mean && high > (-4 / 3) * mean && low >= -2 * mean - 1e-9, `[${low}, ${high}]`);
  t.same([row("none", "place").count, row("none", "object").count], [0, 0]);
  const { pairs } = alignment;
  const told = pairs.filter(({ count }) => count > 0);
  t.same(
    told.map(({ model, of, count }) => [model, of, count]),
    [
      ["none", "relation", 3],
      ["mcs", "relation", 3],
    ],
    "a picture without a pair counts nothing",
  );
  t.ok(close(told[0]!.scores.trueFirst!.mean, 1 / 3) && close(told[1]!.scores.logOdds!.mean, 1 / 3));
  t.ok(close(told[1]!.differences!.trueFirst!.mean, 1 / 3) && told[0]!.scores.blindTrueFirst!.mean === 0.5);
  const text = alignmentTables(alignment);
  const heads = text.split("\n\n").map((table) => table.split(" | ")[0]);
  t.same(heads, [
    "| words",
    "| words about a thing of size",
    "| the thing is",
    "| the false caption has another",
    "| words, minus the first model",
    "| the thing is, minus the first model",
    "| the false caption has another, minus the first model",
  ]);
  t.notMatch(text, /\| count \|/, "no row without words");
  t.match(text, /\| thing \| mcs \| 6 \|/);
  t.match(alignmentLegend(alignment), /4 pictures \[95 % interval over pictures, 200 resamples\]/);
  t.equal(
    alignmentTables(alignmentOf(models.slice(0, 1), 50)).split("\n\n").length,
    4,
    "one model differs from none",
  );
});
