/** The end of a run: its weights, samples, scores and report. */

import { captionSplits, evaluate } from "../evaluation/evaluation.js";
import { boundSteps, boundTable, splitBounds } from "../evaluation/held-out-bound.js";
import { testSplits } from "../evaluation/pictures.js";
import { scoresTable, scoresText, tableLegend } from "../evaluation/tables.js";
import { ownPart, single } from "../platform/collective.js";
import type { PageTable } from "../report/page-table.js";
import { renderReport } from "../report/report.js";
import { type CaptionedImage, captionSheet } from "../report/sheet.js";
import { captionedSamples, reconstructions } from "./held-out.js";
import { saveTrained, type Watcher } from "./pipeline.js";
import type { StageContext } from "./trainer.js";

/**
 * Saves the captioner, scores it on the held-out splits and writes the report. `say` prints captions with their references, then
 * the tables; `scoring` is called before scoring starts. Every process calls it: all caption, rank 0 alone does the rest.
 */
export async function closeRun(
  context: StageContext,
  watcher: Pick<Watcher, "goOn" | "track">,
  { say, scoring }: { say: (text: string) => void; scoring?: () => void | Promise<void> },
): Promise<void> {
  const { captioner, dataset, run, config, platform, collective = single } = context;
  const { files } = platform;
  const isFirst = collective.rank === 0;
  const samples = await ownPart(collective, async () => {
    if (!isFirst) return [];
    await saveTrained(captioner, files, `${run.path}/weights`);
    const samples = await captionedSamples(context, undefined, () => watcher.goOn?.());
    for (const { caption, references } of samples.slice(0, 12)) {
      say(`${caption}    (reference: ${references?.join(" | ")})`);
    }
    await run.writeSample(
      "samples.svg",
      await captionSheet(platform.images, samples, {
        title: "Held-out pictures: the model's caption, a reference below",
      }),
    );
    return samples;
  });
  const splits = testSplits(dataset);
  await scoring?.();
  /** Tracks work whose total is known only while it runs. */
  const track = <T>(
    label: string,
    unit: string,
    body: (onProgress: (done: number, total: number) => void) => Promise<T>,
  ) =>
    watcher.track({ label, total: 1, unit }, (progress) =>
      body((done, total) => {
        progress.setTotal(total);
        progress.update(done);
        watcher.goOn?.();
      }),
    );
  const { scored: limit } = config.log;
  const bound = (onProgress: (done: number, total: number) => void) =>
    splitBounds(captioner, dataset, splits, { limit, steps: boundSteps, onProgress, collective });
  const { likelihood } = captioner.decoder;
  const evaluation = await track("scores", "pictures", async (onProgress) => {
    const asked = { splits, limit, onProgress, collective };
    if (isFirst) return evaluate(captioner, dataset, asked);
    await captionSplits(captioner, dataset, asked);
    return null;
  });
  if (!evaluation) {
    if (likelihood) await track("bound", "captions", bound);
    return;
  }
  const table = `${scoresTable(evaluation)}\n\n${tableLegend(evaluation)}`;
  say(`\n${table}`);
  await files.write(`${run.path}/scores.md`, `${table}\n`);
  await files.write(
    `${run.path}/scores.json`,
    JSON.stringify(
      { ...evaluation, splits: evaluation.splits.map(({ captions: _, ...scores }) => scores) },
      null,
      1,
    ),
  );
  if (likelihood) {
    const bounds = await track("bound", "captions", bound);
    say(`\n${boundTable(bounds)}`);
    await files.write(`${run.path}/bound.json`, JSON.stringify(bounds, null, 1));
  }
  const byMethod = 2;
  const scores = { title: "Scores", note: tableLegend(evaluation), rowHead: byMethod };
  await writeReport(context, samples, [{ ...scores, ...scoresText(evaluation) }]);
}

/** Writes the report of a run: curves, reconstructions, and captioned samples and scores if there are any. */
export async function writeReport(
  context: StageContext,
  samples: readonly CaptionedImage[] = [],
  tables: readonly PageTable[] = [],
): Promise<void> {
  const { captioner, run, dataset, platform } = context;
  const sheet = await reconstructions(context);
  await run.writeSample("reconstructions.png", await platform.images.encodePng(sheet));
  const html = await renderReport(platform.images, {
    title: `Run ${run.path}`,
    adapter: captioner.gpu.description,
    config: run.config,
    log: await run.readLog(),
    facts: {
      "Image tokenizer parameters": captioner.imageTokenizer.parameterCount,
      "Decoder parameters": captioner.decoder.parameterCount,
      "Training pictures": dataset.splits.train!.length,
      [captioner.tokenizer.endsWord ? "Tokens" : "Words"]: captioner.tokenizer.vocabularySize,
    },
    tables,
    samples: samples.length > 0 ? [{ title: "Captions of held-out pictures", items: samples }] : [],
    sheets: [
      {
        title: "Held-out pictures and their reconstructions",
        note: "Each row of originals stands above its reconstructions from the codes.",
        image: sheet,
      },
    ],
  });
  await run.writeReport(html);
}
