/** Phase `determinism`: the same training and the same captions twice, on two devices, equal to the bit. */

import type { Captioner } from "../../dist/captioner/captioner.js";
import type { Stage } from "../../dist/training/trainer.js";
import type { RunPhase } from "./phase.js";
import { stepsWithin, trainQuick } from "./quick.js";

const most = 20;
/** Pictures that are captioned. */
const captioned = 4;

interface Bits {
  readonly losses: number[];
  readonly weights: Map<string, Uint32Array>;
  readonly captions: string[];
}

export const determinism: RunPhase = async (context) => {
  let steps = 0;
  const runs: Bits[] = [];
  for (const i of [0, 1]) {
    const gpu = await context.gpu();
    if (i === 0) steps = await stepsWithin(context, gpu, (context.until - performance.now()) / 2200, most);
    const weights = new Map<string, Uint32Array>();
    const captions: string[] = [];
    const run = await trainQuick(context, gpu, {
      steps,
      from: 0.1 + 0.45 * i,
      to: 0.55 + 0.45 * i,
      what: `run ${i + 1} of 2: `,
      async trained(captioner, stage) {
        await addWeights(captioner, stage, weights);
        captions.push(...(await captionsOf(captioner)));
      },
    });
    const losses = [...run.vqvae, ...run.decoder].map(({ losses }) => losses.total!);
    runs.push({ losses, weights, captions });
  }
  const [first, second] = runs as [Bits, Bits];
  const step = first.losses.findIndex((loss, i) => !Object.is(loss, second.losses[i]));
  const differing = [...first.weights].filter(
    ([name, words]) => !words.every((word, i) => word === second.weights.get(name)![i]),
  );
  const problems: string[] = [];
  if (step >= 0) {
    const stage = step < steps ? "VQ-VAE" : "decoder";
    problems.push(
      `The losses differ from step ${(step % steps) + 1} of the ${stage} on: ${first.losses[step]} and ${second.losses[step]}.`,
    );
  }
  if (differing.length > 0)
    problems.push(
      `${differing.length} of ${first.weights.size} tensors of weights differ, the first is ${differing[0]![0]}.`,
    );
  if (first.captions.join("\n") !== second.captions.join("\n"))
    problems.push("The captions of the same weights and seeds differ.");
  return {
    problems,
    cut: steps < most ? [`${steps} of ${most} steps of each stage ran: there was no time for more.`] : [],
    facts: {
      Compared: `${steps} steps of both stages, ${first.weights.size} tensors of weights, ${first.captions.length} captions`,
    },
    tables: [],
    data: { steps, tensors: first.weights.size, captions: first.captions },
  };
};

async function addWeights(captioner: Captioner, stage: Stage, into: Map<string, Uint32Array>): Promise<void> {
  const model = stage === "vqvae" ? captioner.imageTokenizer : captioner.decoder;
  for (const { name, tensor } of model.parameters(`${stage}.`)) {
    const values = await tensor.read();
    into.set(name, new Uint32Array(values.buffer, values.byteOffset, values.byteLength >> 2));
  }
}

/** Captions of pictures of plain colours. */
async function captionsOf(captioner: Captioner): Promise<string[]> {
  const size = captioner.config.data.imageSize;
  const data = Uint8Array.from(
    { length: captioned * size * size * 3 },
    (_, i) => (97 * (Math.floor(i / (size * size * 3)) + 1) + 40 * (i % 3)) % 256,
  );
  const captions = await captioner.captionAll(data, { steps: 8, seed: 1 });
  return captions.map(({ text }) => text);
}
