/** Folders of runs for tests, with what training writes. */

import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A line of a log; `changes` may break it. */
export function logLine(stage: string, step: number, changes: Record<string, unknown> = {}): string {
  return `${JSON.stringify({
    ...{ stage, step, unit: stage === "vqvae" ? "images" : "tokens", losses: { total: 10 / step, kl: 1 } },
    ...{ learningRate: 1e-3, gradNorm: 2, ms: 1000, perSecond: 100, bytes: 2 ** 20 },
    ...changes,
  })}\n`;
}

export interface MadeRun {
  model?: string;
  steps?: number;
  done?: number;
}

/** Makes a run of both stages; of the decoder `done` of `steps` steps. Returns its folder. */
export function makeRun(
  folder: string,
  { model = "mc-diffusion", steps = 20, done = steps }: MadeRun = {},
): string {
  mkdirSync(join(folder, "samples"), { recursive: true });
  const config = {
    ...{ format: "mc-diffusion-run-2", seed: 1, model, imageTokenizer: "vqvae" },
    ...{ vqvae: { steps: 4 }, decoder: { steps, dim: 128 } },
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const pictures = [
    ["a", null, "train", "1"],
    ["b", null, "train", "2"],
    ["c", null, "tone", "3"],
  ];
  const data = { format: "mc-diffusion-run-data-1", vocabulary: "words", pictures };
  writeFileSync(join(folder, "data.json"), JSON.stringify(data));
  const lines: string[] = [];
  for (let step = 1; step <= 4; step++) lines.push(logLine("vqvae", step));
  for (let step = 1; step <= done; step++)
    lines.push(logLine("decoder", step, step % 10 === 0 ? { metrics: { ciderD: step / 100 } } : {}));
  writeFileSync(join(folder, "log.jsonl"), lines.join(""));
  return folder;
}

/** Ends a run: its report, samples and scores. */
export function endRun(folder: string, png: Uint8Array, ciderD = 1.5): void {
  const score = (mean: number) => ({ mean, low: mean / 2, high: mean * 2, seeds: [mean], deviation: null });
  const method = (name: string, kind: string, mean: number) => ({
    ...{ method: kind, name, scores: { ciderD: score(mean), tone: { ...score(0), mean: null } } },
  });
  const methods = [method("model", "model", ciderD), method("nearest by pixels", "nearestPixels", 0.25)];
  const splits = [{ split: "tone", pictures: 24, of: 100, methods }];
  writeFileSync(join(folder, "scores.json"), JSON.stringify({ seeds: [1], draws: 10, level: 0.95, splits }));
  writeFileSync(join(folder, "report.html"), "<!doctype html><title>report</title>");
  writeFileSync(join(folder, "samples/vqvae-000004.png"), png);
  const drawing =
    '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect width="30" height="20" fill="#f00"/></svg>';
  writeFileSync(join(folder, "samples/decoder-000010.svg"), drawing);
  writeFileSync(join(folder, "samples/decoder-000020.svg"), drawing);
  writeFileSync(join(folder, "samples/samples.svg"), drawing);
}

export function appendLog(folder: string, text: string): void {
  appendFileSync(join(folder, "log.jsonl"), text);
}
