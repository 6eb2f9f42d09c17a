import { mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { readImages } from "../../dist/data/dataset.js";
import {
  buildEmojiIndex,
  emojiCounts,
  formatEmojiCounts,
  renderEmoji,
  selectEmoji,
} from "../../dist/data/emoji.js";
import { readEmojiSources, TRAINED_VENDORS } from "../../dist/data/emoji-sources.js";
import { genderFamilies, sharedDrawings, toneKind } from "../../dist/data/emoji-splits.js";
import { modulesDirectory, nodePlatform } from "../../dist/platform/node.js";
import { nodeDisk } from "../../dist/platform/node-disk.js";

const modules = modulesDirectory("emojibase-data");
const everything = await buildEmojiIndex(nodePlatform, modules);

t.test("splits are as large as they are said to be, and hold what they claim", async (t) => {
  const { pictures } = everything;
  t.comment(`\n${formatEmojiCounts(pictures)}`);
  const counts = Object.fromEntries(
    emojiCounts(pictures).map(({ split, emoji, images }) => [split, [emoji, images]]),
  );
  t.same(counts, {
    train: [2915, 7567],
    validation: [359, 509],
    tone: [377, 1040],
    gender: [166, 448],
    novel: [140, 415],
    render: [493, 493],
    unseen: [3315, 3315],
  });
  const unseen = new Map<string, number>();
  for (const { split, concept } of pictures) {
    if (split === "unseen") unseen.set(concept!, (unseen.get(concept!) ?? 0) + 1);
  }
  t.same(Object.fromEntries(unseen), { train: 2650, validation: 69, tone: 320, gender: 136, novel: 140 });

  // Facts that make the splits a test of what they claim.
  const trained = pictures.filter(({ split }) => split === "train");
  const trainedCodes = new Set(trained.map(({ code }) => code));
  const trainedWords = new Set(trained.flatMap(({ captions }) => captions.join(" ").split(" ")));
  const ids = new Set(pictures.map(({ id }) => id));
  t.equal(ids.size, pictures.length, "ids are unique");
  t.ok(
    trained.every(({ vendor }) => vendor !== "openmoji"),
    "no share-alike art in training",
  );
  const trainedCaptions = new Set(trained.flatMap(({ captions }) => captions));
  for (const split of ["tone", "gender", "novel"]) {
    const members = pictures.filter((picture) => picture.split === split);
    t.notOk(
      members.some(({ code }) => trainedCodes.has(code)),
      `${split}: no emoji of it is trained`,
    );
    t.notOk(
      members.some(({ captions }) => captions.some((caption) => trainedCaptions.has(caption))),
      `${split}: no caption of it is trained`,
    );
    const words = new Set(members.flatMap(({ captions }) => captions.join(" ").split(" ")));
    const unseenWords = [...words].filter((word) => !trainedWords.has(word));
    t.equal(unseenWords.length, split === "novel" ? 111 : 0, `${split}: words that training lacks`);
  }
  t.ok(
    pictures.filter(({ split }) => split === "render").every(({ code }) => trainedCodes.has(code)),
    "render: every emoji is trained in another drawing",
  );
  const { emoji } = await readEmojiSources(nodePlatform.files, modules);
  const labels = new Map(emoji.map(({ code, label }) => [code, label]));
  const looks = new Map(
    emoji.map(({ code, base, tones }) => [code, `${toneKind(labels.get(base)!)} in ${tones}`]),
  );
  const trainedLooks = new Set(trained.map(({ code }) => looks.get(code)));
  const ofTones = pictures.filter(
    ({ split, concept }) => split === "tone" || (split === "validation" && concept === "validation"),
  );
  t.ok(ofTones.length > 1200, `${ofTones.length} pictures of a tone that the thing was not trained in`);
  t.same(
    ofTones.filter(({ code }) => trainedLooks.has(looks.get(code))).map(({ id }) => id),
    [],
    "tone, validation: no gender and no direction of the thing is trained in that tone",
  );
  for (const { id, captions, attributes, split } of pictures) {
    if (captions.length < 1 || captions.length > 6 || captions.includes("")) t.fail(`captions of ${id}`);
    if (split === "tone" && attributes.tone === "none") t.fail(`${id} names no tone`);
    if (split === "gender" && attributes.gender === "none") t.fail(`${id} names no gender`);
  }
});

t.test("captions", async (t) => {
  const { pictures } = everything;
  const captions = (code: string) => pictures.find((picture) => picture.code === code)!.captions;
  t.same(captions("1F34E"), ["red apple", "apple"]);
  t.same(captions("1F468-1F3FF-200D-1F33E"), [
    "man farmer dark skin tone",
    "man farmer with dark skin",
    "male farmer with dark skin",
    "dark skinned man farmer",
  ]);
  t.same(captions("0023-20E3")[0], "keycap number sign", "keycaps are told apart");
  t.notOk(captions("1F935").includes("man in tuxedo"), "a person in tuxedo is not a man");
  t.notOk(
    pictures.some((picture) => picture.captions.some((caption) => /\btone\d|_/.test(caption))),
    "no raw shortcodes",
  );
  // When the packages were chosen 11016 captions were counted, 2306 emoji with 3 or more, 2871 with 2 or more,
  // by cleaning rules that were not recorded. Ours come within 1.3 % and are fixed here.
  const lists = [...new Map(pictures.map((picture) => [picture.code, picture.captions])).values()];
  const atLeast = (n: number) => lists.filter((list) => list.length >= n).length;
  t.same([lists.length, lists.flat().length, atLeast(3), atLeast(2)], [3674, 11004, 2335, 2895]);
});

t.test("families and shared drawings", async (t) => {
  const sources = await readEmojiSources(nodePlatform.files, modules);
  t.equal(genderFamilies(sources.emoji).length, 81);
  const drawn = sources.emoji.filter(({ code }) => TRAINED_VENDORS.some((v) => sources.art[v].has(code)));
  const shared = (["noto", "twemoji", "fluent-emoji-flat", "openmoji"] as const).map(
    (vendor) => sharedDrawings(drawn, sources.art[vendor]).size,
  );
  t.same(shared, [33, 32, 2, 359]);
  t.equal(drawn.length, 3674);
});

t.test("things are of one kind whatever their gender and direction", async (t) => {
  const kinds = (labels: string[]) => [...new Set(labels.map(toneKind))];
  t.same(kinds(["man farmer", "woman farmer", "farmer"]), ["farmer"]);
  t.same(kinds(["kiss", "kiss: man, man", "kiss: woman, man"]), ["kiss"]);
  t.same(kinds(["men holding hands", "woman and man holding hands", "people holding hands"]), [
    "holding hands",
  ]);
  t.same(kinds(["woman walking", "man walking: facing right", "person walking"]), ["walking"]);
  t.same(kinds(["merman", "mermaid", "merperson"]), ["merperson"]);
  t.same(kinds(["old man", "old woman", "older person"]), ["old"]);
  t.same(kinds(["person: beard", "woman: beard", "man: bald"]), ["beard", "bald"]);
  t.same(kinds(["boy", "girl", "child", "baby"]), ["child", "baby"]);
});

t.test("a number of training pictures is kept to, with every split and whole groups", async (t) => {
  const { pictures } = selectEmoji(everything, { trainingPictures: 600 });
  t.equal(pictures.filter(({ split }) => split === "train").length, 600);
  const trained = new Set(pictures.filter(({ split }) => split === "train").map(({ code }) => code));
  t.ok(
    pictures.filter(({ split }) => split === "render").every(({ code }) => trained.has(code)),
    "what the splits claim of training holds for the part, too",
  );
  for (const { split, images } of emojiCounts(pictures)) t.ok(images > 0, `${split}: ${images}`);
  t.equal(new Set(pictures.map(({ vendor }) => vendor)).size, 4);
  t.ok(pictures.filter(({ attributes }) => attributes.tone !== "none").length > 500, "toned ones too");
  const again = await buildEmojiIndex(nodePlatform, modules, { trainingPictures: 600 });
  t.same(
    again.pictures.map(({ id }) => id),
    pictures.map(({ id }) => id),
  );
  for (const trainingPictures of [1, 2, 3, 10, 7567]) {
    const some = selectEmoji(everything, { trainingPictures }).pictures;
    t.equal(some.filter(({ split }) => split === "train").length, trainingPictures);
  }
  t.throws(() => selectEmoji(everything, { trainingPictures: 0 }), /at least 1 training picture/);
  await t.rejects(
    buildEmojiIndex(nodePlatform, "/nowhere"),
    /\/nowhere\/emojibase-data\/package.json is missing/,
  );
});

t.test("pictures are rendered once, and a stale or torn cache is rendered again", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "emoji-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const cache = { folder, files: nodePlatform.files, disk: nodeDisk };
  const index = selectEmoji(everything, { trainingPictures: 20 });
  let rendered = 0;
  const load = async (of = index) => {
    rendered = 0;
    const onProgress = (_done: number, total: number) => {
      rendered = total;
    };
    const dataset = await renderEmoji(nodePlatform, of, { cache, size: 16, onProgress });
    const pixels = await readImages(dataset, [...dataset.records.keys()]);
    await dataset.images.close();
    return { dataset, pixels };
  };
  const { dataset, pixels } = await load();
  const count = dataset.records.length;
  t.ok(count > 20 && count < 100, `${count} pictures`);
  t.equal(rendered, count);
  t.equal(dataset.images.count, count);
  t.same(
    dataset.records.map(({ image }) => image),
    [...Array(count).keys()],
  );
  t.equal(Object.values(dataset.splits).flat().length, count);
  for (const { image, id } of dataset.records) {
    const picture = pixels.subarray(image * 768, (image + 1) * 768);
    t.ok(picture.some((value) => value < 128) || picture.some((value) => value < 250), `${id} is not blank`);
  }

  t.same((await load()).pixels, pixels, "a second start has the same");
  t.equal(rendered, 0, "taken from the cache");
  await load(selectEmoji(everything, { trainingPictures: 10 }));
  t.equal(rendered, 0, "as a smaller selection is");

  const part = () => join(folder, readdirSync(folder).find((name) => name.endsWith(".pictures"))!);
  truncateSync(part(), 1000);
  t.same((await load()).pixels, pixels, "a cut file is rendered again");
  t.equal(rendered, count);

  const newer = { ...index, versions: [...index.versions, "a-new-package@1"] };
  t.same((await load(newer)).pixels, pixels);
  t.equal(rendered, count, "a cache of other package versions is noticed");
});
