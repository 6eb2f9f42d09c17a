#!/usr/bin/env node
/**
 * Chooses the picture that the page opens with, and records its caption: measured/strip.json for the moving strip at the top,
 * measured/recorded-run.json for browsers without WebGPU. The picture is one of the gallery that the model captions rightly each
 * time.
 */

import { writeFile } from "node:fs/promises";
import sharp from "sharp";
import { commandLine, integerOption, openGpu, runCommand } from "../dist/cli.js";
import { Captioner, fromArray, PhiloxStream, Schedule } from "../dist/index.js";
import { nodePlatform, shippedWeights } from "../dist/node.js";
import { gallery } from "./gallery.js";

/** Steps of the forward process that the strip shows. */
const forwardEvery = 10;

/** Words of a caption that has something to show in the strip. */
const leastWords = 4;

/** @param {string} name */
const out = (name) => new URL(`measured/${name}.json`, import.meta.url);

/**
 * One draw of x_1 … x_T given x_0, by q(x_t | x_{t-1}): a token stays, becomes any other word, or becomes [MASK].
 * @param {Captioner} captioner
 * @param {readonly number[]} tokens
 */
function forward({ config, tokenizer }, tokens) {
  const mask = tokenizer.vocabularySize;
  const { timesteps, schedule: ends } = config.decoder;
  const schedule = new Schedule({ tokens: mask, steps: timesteps, ends });
  const state = [...tokens];
  const states = [{ t: 0, words: state.map((id) => tokenizer.word(id)) }];
  for (let t = 1; t <= schedule.steps; t++) {
    const { alpha, gamma } = schedule.step(t);
    const others = new PhiloxStream(1, 1, t).uniform(state.length, mask);
    new PhiloxStream(1, 0, t).uniform(state.length).forEach((u, i) => {
      if (state[i] === mask) return;
      if (u < gamma) state[i] = mask;
      else if (u >= gamma + alpha) state[i] = Math.floor(/** @type {number} */ (others[i]));
    });
    if (t % forwardEvery === 0) states.push({ t, words: state.map((id) => tokenizer.word(id)) });
  }
  return states;
}

await runCommand(async () => {
  const program = commandLine("node web/record-run.js", "Records the run that the page shows without WebGPU.")
    .option("--adapter <name>", "lavapipe, swiftshader or the name of a driver")
    .option("--seeds <number>", "seeds captions drawn of a picture that may be it", integerOption(1, 1000), 8)
    .option(
      "--picture <file>",
      "the gallery's picture to record; default: the first that is right each time",
    );
  const options = /** @type {{ adapter?: string; seeds: number; picture?: string }} */ (
    program.parse().opts()
  );
  const gpu = await openGpu(options.adapter);
  const captioner = await Captioner.fromFolder(gpu, nodePlatform.files, shippedWeights());
  const files = await gallery();
  /** @type {{ pictures: { file: string; split: string; about: string; vendor: string; captions: string[] }[] }} */
  const { pictures } = JSON.parse(String(files.get("gallery.json")));
  /** @param {string} file */
  const pixels = async (file) => {
    const { data, info } = await sharp(/** @type {Uint8Array} */ (files.get(file)))
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { data: new Uint8ClampedArray(data), width: info.width, height: info.height };
  };
  /** @type {number[]} */
  const ids = [];
  for (const { file } of pictures) {
    const codes = await captioner.codes(await pixels(file));
    ids.push(...(await codes.read()));
    codes.dispose();
  }
  const { positions } = captioner;
  /** @type {(index: number) => Uint32Array} */
  const codesOf = (index) => Uint32Array.from(ids.slice(index * positions, (index + 1) * positions));
  /** How many of `options.seeds` captions of a picture are right.
   * @param {number} index
   */
  const rightOf = async (index) => {
    const same = Array.from({ length: options.seeds }, () => [...codesOf(index)]).flat();
    const captions = await captioner.captionCodes(Uint32Array.from(same));
    return captions.filter(({ text }) => pictures[index]?.captions.includes(text)).length;
  };
  let index = options.picture ? pictures.findIndex(({ file }) => file === options.picture) : -1;
  let right = index < 0 ? 0 : await rightOf(index);
  if (!options.picture) {
    const captions = await captioner.captionCodes(Uint32Array.from(ids));
    for (const [i, { text }] of captions.entries()) {
      if (!pictures[i]?.captions.includes(text) || text.split(" ").length < leastWords) continue;
      const count = await rightOf(i);
      console.log(`${count} of ${options.seeds} right: ${pictures[i]?.file}, ${text}`);
      if (count > right) [index, right] = [i, count];
      if (right === options.seeds) break;
    }
  }
  const picture = pictures[index];
  if (!picture) throw new Error("no picture of the gallery is captioned rightly");
  const own = codesOf(index);
  const codes = fromArray(gpu, own, [1, positions], "u32").keep();
  const { width, height, data } = await captioner.reconstruct(codes);
  const steps = [];
  let last = null;
  for await (const step of captioner.denoise(codes, { attention: true, alternatives: 5 })) {
    const { t, u, words, text, probabilities, alternatives } = step;
    last = step;
    steps.push({
      t,
      u,
      words,
      text,
      probabilities: probabilities.map((p) => Number(p.toFixed(4))),
      alternatives: alternatives.map((list) =>
        list.map(({ word, probability }) => [word, Number(probability.toFixed(4))]),
      ),
      // In 1/255, which is all that the picture can show.
      attention: Buffer.from(
        Uint8Array.from(step.attention?.data ?? [], (weight) => Math.round(255 * weight)),
      ).toString("base64"),
    });
  }
  codes.dispose();
  if (!last || !picture.captions.includes(last.text))
    throw new Error(`the caption of ${picture.file} is “${last?.text}”, which is none of its references`);
  const { sampling, seed } = captioner.config;
  const made = {
    made: `node web/record-run.js --picture ${picture.file}`,
    adapter: gpu.description,
    rightOfSeeds: right,
    seeds: options.seeds,
  };
  const png = await sharp(data, { raw: { width, height, channels: 4 } })
    .png({ palette: true })
    .toBuffer();
  await writeFile(
    out("recorded-run"),
    `${JSON.stringify({
      ...made,
      picture: picture.file,
      captions: picture.captions,
      settings: {
        seed,
        steps: sampling.steps,
        guidance: sampling.guidance,
        scale: sampling.scale,
        temperature: sampling.temperature,
      },
      codes: [...own],
      codebook: captioner.config.vqvae.codes,
      reconstruction: png.toString("base64"),
      steps,
    })}\n`,
  );
  // As many steps back as forward.
  const shown = steps.filter((_, i) => i % Math.ceil(steps.length / 10) === 0 || i === steps.length - 1);
  await writeFile(
    out("strip"),
    `${JSON.stringify({
      ...made,
      picture: picture.file,
      text: last.text,
      forward: forward(captioner, last.tokens),
      reverse: shown.map(({ u, words }) => ({ t: u, words })),
    })}\n`,
  );
  captioner.dispose();
  gpu.dispose();
  gpu.device.destroy();
});
