/** Evaluations that several processes share: captions, bounds and codes are those of one, to the bit. */

import type { Captioner } from "../../dist/captioner/captioner.js";
import { type Dataset, MemoryImages, splitsOf } from "../../dist/data/dataset.js";
import { parseCompared } from "../../dist/evaluation/compared.js";
import { captionSplits } from "../../dist/evaluation/evaluation.js";
import { splitBounds } from "../../dist/evaluation/held-out-bound.js";
import { type Collective, OtherRankError, single } from "../../dist/platform/collective.js";
import { trainingCodes } from "../../dist/training/decoder-stage.js";
import { localCollectives } from "../../dist/training/port-collective.js";
import "../../dist/baselines.js";
import "../../dist/samplers.js";
import { test } from "../harness.js";
import { build, pictures } from "../tiny-captioner.js";

const captions = ["a black cat", "red hat on a mat", "dog with a hat", "a red mat", "cat on dog"];

/** 70 pictures for training, 150 for testing: batches of 64 that are not all full. */
function dataset(): Dataset {
  const records = Array.from({ length: 220 }, (_, image) => ({
    ...{ id: `${image}`, image, keywordCaptions: [], split: image < 70 ? "train" : "test" },
    captions: [captions[image % 5]!, ...(image % 3 === 0 ? [captions[(image + 2) % 5]!] : [])],
    attributes: { tone: "none", gender: "none", objectWords: [] } as const,
  }));
  const images = new MemoryImages(pictures(records.length), 16);
  return { name: "blocks", size: 16, images, records, splits: splitsOf(records) };
}

/** Runs `body` on `size` ranks at once. */
async function onRanks<T>(size: number, body: (own: Collective) => Promise<T>): Promise<T[]> {
  const { ranks, close } = localCollectives(size);
  try {
    return await Promise.all(ranks.map(body));
  } finally {
    close();
  }
}

const settings = {
  "settings that share the work on a picture": {
    ...{ seeds: 2, seed: 3, compare: parseCompared("none,cfg:2,mcs:3:0.5"), candidates: 2 },
  },
  "a sampler that takes one batch after the other": { seeds: 3, sampler: "confidence", baselines: false },
};

for (const [name, options] of Object.entries(settings)) {
  test(`captions of 1, 2 and 4 processes: ${name}`, async (t, gpu) => {
    const captioner = build(gpu);
    const data = dataset();
    const asked = { splits: ["test"], steps: 4, ...options };
    const one = await captionSplits(captioner, data, { ...asked, collective: single });
    const texts = one[0]!.rows.flatMap(({ said }) => said.flat());
    t.ok(new Set(texts).size > 50, "captions differ");
    for (const size of [2, 4]) {
      const progress: [number, number][] = [];
      const all = await onRanks(size, (collective) =>
        captionSplits(captioner, data, {
          ...{ ...asked, collective },
          ...(collective.rank === 0
            ? { onProgress: (...told: [number, number]) => progress.push(told) }
            : {}),
        }),
      );
      for (const own of all)
        t.same(own, one, `${size} processes: the captions and baselines of one, on each`);
      const [done, total] = progress.at(-1)!;
      t.equal(done, total, "progress ends at its total");
      t.ok(
        progress.every(([done], i) => done <= total && done >= (progress[i - 1]?.[0] ?? 0)),
        "and never goes back",
      );
    }
    captioner.dispose();
  });
}

test("each process captions its share alone", async (t, gpu) => {
  const captioner = build(gpu);
  const data = dataset();
  for (const [size, seeds] of [
    [2, 3],
    [4, 1],
  ] as const) {
    const drawn = new Array<number>(size).fill(0);
    const { ranks, close } = localCollectives(size);
    await Promise.all(
      ranks.map((collective) => {
        const own = Object.create(captioner) as Captioner;
        own.captionCodes = async (codes, options) => {
          const said = await captioner.captionCodes(codes, options);
          drawn[collective.rank]! += said.length;
          return said;
        };
        const options = { splits: ["test"], steps: 2, seeds, sampler: "confidence", baselines: false };
        return captionSplits(own, data, { ...options, collective });
      }),
    );
    close();
    t.equal(
      drawn.reduce((sum, count) => sum + count, 0),
      150 * seeds,
      `${size} processes: every caption is drawn once`,
    );
    // Three batches with each seed: 9 units over 2, 3 over 4, of which the last has 22 pictures.
    t.ok(Math.max(...drawn) <= (size === 2 ? 64 * 5 : 64), "shares are even");
  }
  captioner.dispose();
});

test("bounds and codes of 1, 2 and 3 processes", async (t, gpu) => {
  for (const set of [[], ["model=transformer"]]) {
    const captioner = build(gpu, ...set);
    const data = dataset();
    const one = await splitBounds(captioner, data, ["test"], { steps: 3, seed: 5 });
    t.ok(one[0]!.nats > 1 && one[0]!.captions === 200, "a bound of 200 captions");
    for (const size of [2, 3]) {
      const progress: [number, number][] = [];
      const all = await onRanks(size, (collective) =>
        splitBounds(captioner, data, ["test"], {
          ...{ steps: 3, seed: 5, collective },
          ...(collective.rank === 0
            ? { onProgress: (...told: [number, number]) => progress.push(told) }
            : {}),
        }),
      );
      for (const own of all)
        t.same(own, one, `${set.join(" ")} ${size} processes: the bound of one, to the bit`);
      t.same(progress.at(-1), [200, 200], "progress ends at its total");
    }
    captioner.dispose();
  }
  const captioner = build(gpu, "data.augment=1");
  const context = { captioner, dataset: dataset(), config: captioner.config };
  const one = await trainingCodes(context, () => {});
  for (const own of await onRanks(3, (collective) => trainingCodes({ ...context, collective }, () => {})))
    t.same(own, one, "the codes of the training pictures");
  captioner.dispose();
});

test("a process that fails ends the work of all", async (t, gpu) => {
  const captioner = build(gpu);
  const data = dataset();
  const failures = await onRanks(3, async (collective) => {
    const onProgress = () => {
      if (collective.rank === 1) throw new Error("no memory here");
    };
    try {
      await captionSplits(captioner, data, { splits: ["test"], steps: 2, collective, onProgress });
    } catch (error) {
      return error;
    }
    return null;
  });
  t.equal((failures[1] as Error).message, "no memory here", "its own error");
  const context = { captioner, dataset: data, config: captioner.config };
  const stopped = await onRanks(2, (collective) =>
    trainingCodes({ ...context, collective }, () => {
      if (collective.rank === 0) throw new Error("asked to stop");
    }).catch((error: Error) => error),
  );
  t.equal((stopped[0] as Error).message, "asked to stop", "codes: its own error");
  t.ok(stopped[1] instanceof OtherRankError, "codes: the other is told");
  for (const rank of [0, 2]) {
    t.ok(failures[rank] instanceof OtherRankError, "the others are told");
    t.equal((failures[rank] as OtherRankError).rank, 1, "which one it was");
  }
  captioner.dispose();
});
