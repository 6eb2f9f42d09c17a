#!/usr/bin/env node
/** `node dist/caption.js IMAGE…`: captions pictures with trained weights. */

import { Captioner } from "./captioner/captioner.js";
import type { Precision } from "./captioner/files.js";
import "./baselines.js";
import "./samplers.js";
import {
  adapterOption,
  checkSteps,
  commandLine,
  integerOption,
  openComputingGpu,
  precisionOption,
  runCommand,
  type SamplingFlags,
  samplingFlags,
  samplingOf,
  tuningHelp,
} from "./cli/options.js";
import { say, tell } from "./cli/terminal.js";
import { samplingSettingsOf } from "./models/sampling-settings.js";
import { UserError } from "./platform/errors.js";
import { isOutputGone, nodePlatform as platform, shippedWeights } from "./platform/node.js";
import { shown } from "./platform/shown.js";
import "./vqgan.js";

interface Options extends SamplingFlags {
  weights: string;
  seed?: number;
  template?: string;
  svg?: boolean;
  show?: boolean;
  json?: boolean;
  precision?: Precision;
  adapter?: string;
  tuning?: string;
}

async function main(): Promise<void> {
  const program = commandLine("node dist/caption.js", "Captions pictures (PNG, JPEG, WebP).")
    .argument("<image...>", "picture files")
    .option("--weights <folder>", "weights to use: a run's weights/ folder", shippedWeights())
    .option("--seed <number>", "seed of the random numbers", integerOption(0, 2 ** 32 - 1))
    .option(
      "--template <text>",
      'words that stay and gaps to fill: "a _ _ cat"; a final … leaves the end open',
    )
    .option("--svg", "take SVG drawings too")
    .option("--show", "print the caption after every denoising step")
    .option("--json", "one JSON object a line: {file, caption, tokens, steps, seed, guidance, ms}")
    .addOption(precisionOption())
    .addOption(adapterOption())
    .option("--tuning <file>", tuningHelp);
  samplingFlags(program);
  const options = program.parse().opts<Options>();
  checkSteps(options.steps, await Captioner.settings(platform.files, options.weights));
  const gpu = await openComputingGpu(options.adapter, options.json, options.tuning);
  const captioner = await Captioner.fromFolder(gpu, platform.files, options.weights, {
    precision: options.precision,
  });
  const { imageSize } = captioner.config.data;
  const { json, show, template: words } = options;
  const sampling = samplingOf(options);
  let failed = 0;
  for (const file of program.args) {
    // For example after `| head`: nobody reads the captions.
    if (isOutputGone()) break;
    const began = platform.now();
    let pixels: Uint8Array;
    try {
      const bytes = await platform.files.read(file);
      const svg = options.svg ? "bounded" : undefined;
      pixels = (await platform.images.decode(bytes, imageSize, "contain", { svg })).data;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      tell(`error: ${error.message.includes(file) ? "" : `${shown(file)}: `}${error.message}`);
      failed++;
      continue;
    }
    const onStep = show
      ? ({ t, tokens }: { t: number; tokens: Uint32Array }) =>
          tell(`t = ${String(t).padStart(3)}  ${captioner.tokenizer.decode(tokens)}`)
      : undefined;
    const [caption] = await captioner.captionAll(pixels, { ...sampling, words, onStep });
    const ms = Math.round(platform.now() - began);
    if (json) {
      const { steps, seed, guidance, topR, temperature, last, beam, sampler, candidates } =
        samplingSettingsOf(captioner.config, sampling);
      const { method, scale } = guidance;
      const settings = { method, scale, topR, temperature, last, beam, sampler, candidates };
      say(
        JSON.stringify({
          file,
          caption: caption!.text,
          tokens: caption!.tokens,
          // A decoder that writes word by word takes a step a word.
          steps: Math.min(steps, captioner.decoder.steps),
          seed,
          guidance: settings,
          ms,
        }),
      );
    } else {
      say(program.args.length > 1 ? `${shown(file)}: ${caption!.text}` : caption!.text);
    }
  }
  if (failed > 0) process.exitCode = 1;
  captioner.dispose();
}

await runCommand(main);
