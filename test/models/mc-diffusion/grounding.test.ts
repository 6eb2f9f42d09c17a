/** The loss of grounding against explicit attention in float64, its gradients by differences, and that training with it moves attention. */

import { checkGradients } from "../../../dist/engine/ops/check-gradients.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import type { CaptionBatch } from "../../../dist/models/caption-decoder.js";
import { Grounding, MOST_REFERENTS, oneHotRows } from "../../../dist/models/mc-diffusion/grounding.js";
import { McDiffusion } from "../../../dist/models/mc-diffusion/mc-diffusion.js";
import type { DiffusionSettings } from "../../../dist/models/mc-diffusion/objective.js";
import { ModelTraining } from "../../../dist/training/model-training.js";
import { randomArray, test } from "../../harness.js";

const [dim, heads, blocks] = [24, 3, 2];
const [pictures, captionsEach, length, side] = [2, 2, 5, 3];
const [captions, positions, width] = [pictures * captionsEach, side * side, dim / heads];
const none = MOST_REFERENTS;
/** Each caption has words about things and about none; the last one is about nothing at all. */
const words = [
  [0, none, 1, 1, none],
  [none, 1, none, 0, none],
  [2, 2, 3, none, none],
  Array<number>(length).fill(none),
].flat();
/** Thing 3 of the second picture is nowhere. */
const places = [
  [0, 0, none, 1, 1, 1, none, none, 0],
  [2, none, none, none, 2, none, none, none, 2],
].flat();

/** The attention of the first head to the places of a word's thing, for each word about one; `words` [P, rows], `places` [P, S]. */
function sharesOf(
  { queries, keyValues }: { queries: ArrayLike<number>; keyValues: ArrayLike<number> },
  { words, places }: { words: readonly number[]; places: readonly number[] },
  entries: number,
): number[] {
  const rows = words.length / (places.length / positions);
  return words.flatMap((thing, row) => {
    if (thing === none) return [];
    const picture = Math.floor(row / rows);
    let [own, all] = [0, 0];
    for (let s = 0; s < positions; s++) {
      let dot = 0;
      for (let c = 0; c < width; c++)
        dot += queries[row * dim + c]! * keyValues[(picture * entries + s) * 2 * dim + c]!;
      const weight = Math.exp(dot / Math.sqrt(width));
      all += weight;
      if (places[picture * positions + s] === thing) own += weight;
    }
    return [own / all];
  });
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

for (const summaries of [0, 3]) {
  test(`grounding is the mean of −log of attention to the thing, ${summaries} summary entries beside the places`, async (t, gpu) => {
    const entries = positions + summaries;
    const rows = oneHotRows({ dim, heads }, gpu);
    const values = Array.from({ length: blocks }, (_, i) => ({
      query: randomArray(10 + i, captions * length * dim, 1.5),
      keyValue: randomArray(20 + i, pictures * entries * 2 * dim, 1.5),
    }));
    const referents = {
      words: fromArray(gpu, words, [captions, length], "u32", "words"),
      places: fromArray(gpu, places, [pictures, positions], "u32", "places"),
    };
    const shapes = { query: [pictures, captionsEach * length, dim], keyValue: [pictures, entries, 2 * dim] };
    const inputs = values.flatMap(({ query, keyValue }) => [
      fromArray(gpu, query, shapes.query, "f32", "query"),
      fromArray(gpu, keyValue, shapes.keyValue, "f32", "keyValue"),
    ]);
    const loss = (...given: Tensor[]) => {
      const grounding = new Grounding(rows, referents);
      for (let i = 0; i < blocks; i++)
        grounding.watch(given[2 * i]!, given[2 * i + 1]!, heads, given[2 * i]!);
      return grounding.loss();
    };
    const known = values.map(({ query, keyValue }) =>
      sharesOf({ queries: query, keyValues: keyValue }, { words, places }, entries),
    );
    t.ok(
      known.some((shares) => Math.min(...shares) === 0 && Math.max(...shares) > 0.5),
      "a thing that is nowhere, and one that is seen well",
    );
    const result = gpu.scope(() => loss(...inputs));
    t.near(
      await result.read(),
      [-total(known.flat().map((share) => Math.log(share + 1e-4))) / (blocks * captions * length)],
      { rel: 1e-5 },
      "the loss",
    );
    const report = await checkGradients(loss, inputs);
    t.ok(report.passed, `gradients: ${report}`);
    t.ok(
      report.inputs.every(({ worst }) => Math.abs(worst.gradient) > 1e-5),
      "which are not all 0",
    );
    rows.dispose();
  });
}

test("training with grounding turns attention to what words are about, without it nothing asks for that", async (t, gpu) => {
  const shape = { vocabulary: 6, length, codes: 7, side, timesteps: 10, dim, heads, blocks } as const;
  const rest = { mlpRatio: 1, conditionBlocks: 0, summaryTokens: 0, dropout: 0, codeDim: null } as const;
  const make = () => {
    const decoder = new McDiffusion(gpu, { ...shape, ...rest, filler: "learned" }, { schedule: "absorbing" });
    decoder.initialise(3);
    return decoder;
  };
  // A word k is about the place whose code is k; which place that is differs between pictures.
  const tokens = [1, 2, 0, 0, 0, 2, 1, 0, 0, 0];
  const codes = [4, 1, 5, 5, 4, 5, 2, 4, 5, 2, 5, 4, 4, 5, 1, 5, 4, 4];
  const about = [0, 1, none, none, none, 1, 0, none, none, none];
  const shown = codes.map((code) => (code === 1 || code === 2 ? code - 1 : none));
  const shares = new Map<number, number>();
  for (const grounding of [0, 2]) {
    const decoder = make();
    const settings: DiffusionSettings = {
      ...({ pCond: 0, pMask: 0, pDrop: 0, maskRates: "same", maskShape: "random" } as const),
      ...{ lambda: 0.5, adaptiveAuxiliary: true, importanceSampling: false, checkpointing: false, grounding },
    };
    const random = new Rng(gpu, 1);
    const objective = decoder.objective(settings, random);
    t.equal(objective.grounded, grounding > 0, "it asks for referents where it has a weight");
    const inputs = [
      fromArray(gpu, tokens, [2, length], "u32", "x_0").keep(),
      fromArray(gpu, codes, [2, positions], "u32", "codes").keep(),
      ...(grounding > 0
        ? [
            fromArray(gpu, about, [2, length], "u32", "words").keep(),
            fromArray(gpu, shown, [2, positions], "u32", "places").keep(),
          ]
        : []),
    ] as CaptionBatch;
    const training = new ModelTraining<CaptionBatch>(decoder, objective, random, [inputs], {
      learningRate: { peak: 1e-2, warmup: 1, decay: "constant", steps: 100 },
      betas: [0.9, 0.96],
      weightDecay: 0,
      clip: 1,
      average: { decay: 0, every: 1 },
    });
    let losses: Record<string, number> = {};
    for (let step = 1; step <= 60; step++) ({ losses } = await training.step(step));
    t.equal(losses.grounding !== undefined, grounding > 0, `the part is reported: ${JSON.stringify(losses)}`);
    // The attention of the first heads to the thing, at t = 1, where words can be read.
    const seen: number[] = [];
    const read: { query: Tensor; keyValue: Tensor }[] = [];
    gpu.scope(() => {
      const condition = decoder.prepare(inputs[1]);
      const t1 = fromArray(gpu, [1, 1], [2], "u32", "t");
      decoder.forward(inputs[0], t1, condition, {
        watch: (query, keyValue) => {
          read.push({ query: query.keep() as Tensor, keyValue: keyValue.keep() as Tensor });
        },
      });
    });
    for (const { query, keyValue } of read) {
      const [queries, keyValues] = await Promise.all([query.read(), keyValue.read()]);
      seen.push(...sharesOf({ queries, keyValues }, { words: about, places: shown }, positions));
      query.dispose();
      keyValue.dispose();
    }
    shares.set(grounding, total(seen) / seen.length);
    training.dispose();
  }
  t.ok(
    shares.get(2)! > 0.9 && shares.get(0)! < 0.7,
    `attention to the thing: ${shares.get(2)!.toFixed(2)}, without grounding ${shares.get(0)!.toFixed(2)}`,
  );
});
