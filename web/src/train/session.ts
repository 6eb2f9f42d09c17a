/** Training in a page: the stages and files of Node's command, with the run stored in the origin private file system. */

import {
  type Config,
  type Dataset,
  DeviceLostError,
  type Gpu,
  opfsFiles,
  type Platform,
  pickedFiles,
  resolveConfig,
  UserError,
} from "../../../dist/index.js";
import { type LogEntry, RunFolder } from "../../../dist/report.js";
import {
  browserPlatform,
  buildCaptioner,
  buildVocabulary,
  captionWarnings,
  heldOutRecords,
  type JsonRecord,
  loadFolder,
  readDataset,
  runVocabulary,
  type StageContext,
  saveTrained,
  summarizeCaptions,
  trainCaptioner,
  tryRun,
  vocabularyText,
  type Watcher,
  withSubset,
  writeDataset,
} from "../../../dist/training.js";
import { Losses, lossText, openGpu, reopenGpu } from "../gpu.js";
import { configOf, pathOf } from "./kept.js";
import type { MemoryReturned, News, Order, Pictures, Stage } from "./messages.js";

/** Pictures decoded by the browser, files in the origin private file system. */
const platform: Platform = { ...browserPlatform, files: opfsFiles };
const dataFolder = (id: string) => `${pathOf(id)}/data`;
const weightsFolder = (id: string) => `${pathOf(id)}/weights`;
/** Image sizes of the prepared emoji that web/build.js includes with the page. */
const emojiSizes: readonly number[] = [32, 64];
/** Milliseconds of training until the first sample of a stage; the next ones come after twice the time of the one before. */
const firstSample = 2000;
/** At most this share of the time goes to such samples. */
const sampleShare = 0.1;
/** Keeps two tabs from training into one folder. Browsers also do not freeze a background page that holds a lock. */
const lockName = "mc-diffusion training";
/** No terminal progress: the page draws its own. */
const silentProgress = { update() {}, setTotal() {}, log() {}, warn() {}, stop() {} };
/** Steps are reported in bundles, so that fast steps do not flood the page. */
const bundleMilliseconds = 100;

type Outcome = "finished" | "interrupted";
interface Ended {
  outcome: Outcome;
  memory: MemoryReturned;
}

export class TrainingSession {
  private readonly post: (news: News) => void;
  private gpu: Gpu | null = null;
  private readonly losses = new Losses();
  /** The run that orders are about. */
  private id = "";
  /** Data of a run, for the lifetime of this worker. */
  private dataset: { id: string; dataset: Dataset } | null = null;
  private training = false;
  private stopping = false;
  private exporting = false;
  private readonly steps: Record<Stage, number> = { vqvae: 0, decoder: 0 };
  private untold: LogEntry[] = [];
  private lastTold = 0;

  constructor(post: (news: News) => void) {
    this.post = post;
  }

  /** Carries out an order. Reports errors to the tab instead of throwing them. */
  async obey(order: Order): Promise<void> {
    try {
      if (order.type === "pause") this.stopping = true;
      else if (order.type === "export") await this.export(order.run);
      else await this.alone(order);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.post({ type: "failed", order: order.type, message });
    }
  }

  /** Carries out an order that changes the stored run. Only one tab does so at a time. */
  private async alone(order: Exclude<Order, { type: "pause" | "export" }>): Promise<void> {
    if (this.training) throw new UserError("the training is running; pause it first");
    await navigator.locks.request(lockName, { ifAvailable: true }, async (lock) => {
      if (lock === null) throw new UserError("another tab of this page is training; pause it there first");
      if (order.type === "discard") {
        await opfsFiles.remove(pathOf(order.run));
        this.dataset = null;
        this.post({ type: "discarded", run: order.run });
        return;
      }
      this.id = order.run;
      this.training = true;
      this.stopping = false;
      this.exporting = false;
      try {
        const { outcome, memory } = await this.throughLosses(() =>
          order.type === "start" ? this.start(order) : this.resume(),
        );
        this.post({ type: "ended", outcome: outcome === "finished" ? "finished" : "paused", memory });
      } finally {
        this.training = false;
      }
    });
  }

  /** Trains. After a GPU loss, reopens the GPU and resumes the run from its last checkpoint. */
  private async throughLosses(train: () => Promise<Ended>): Promise<Ended> {
    for (let next = train; ; next = () => this.resume()) {
      try {
        return await next();
      } catch (error) {
        if (!(error instanceof DeviceLostError)) throw error;
        this.gpu = null;
        const text = lossText(error.reason);
        if (!this.losses.add(performance.now())) {
          throw new UserError(
            `${text}, ${this.losses.count} times within a minute. The run is stored: Resume continues from its last checkpoint.`,
          );
        }
        this.post({
          type: "note",
          text: `${text}; it is being reopened, and the training continues from its last checkpoint.`,
        });
        this.post({ type: "phase", phase: "opening" });
        this.gpu = await reopenGpu();
      }
    }
  }

  private async start({ preset, pictures, set }: Extract<Order, { type: "start" }>) {
    const source =
      pictures.kind === "emoji"
        ? ["data.source=emoji"]
        : ["data.source=folder", `data.folder=${pictures.name}`, `data.skipBad=${pictures.skipBad}`];
    const config = resolveConfig({ preset, set: [...source, ...set] });
    // Show samples as often as scores, as the user is watching, even where the preset shows them only at the end.
    if (config.log.sampleEvery === 0) config.log.sampleEvery = config.log.evaluateEvery;
    this.post({ type: "phase", phase: "pictures" });
    const dataset = await this.load(pictures, config.data);
    // Check data, settings and device before anything is written or removed: a mistake costs nothing.
    heldOutRecords(dataset);
    const tokenizer = await buildVocabulary(dataset, config, opfsFiles);
    const summary = summarizeCaptions(dataset, tokenizer, config.data.maxLength);
    for (const warning of captionWarnings(summary, config.data))
      this.post({ type: "note", text: `careful: ${warning}` });
    this.post({ type: "phase", phase: "opening" });
    this.gpu ??= await openGpu();
    const trial = buildCaptioner(this.gpu, config, tokenizer, { initialise: false });
    try {
      tryRun(trial);
    } finally {
      trial.dispose();
      this.gpu.trim();
    }
    const { id } = this;
    const run = await RunFolder.create(opfsFiles, pathOf(id), config as unknown as JsonRecord);
    await writeDataset(platform, dataFolder(id), dataset);
    this.dataset = { id, dataset };
    this.steps.vqvae = 0;
    this.steps.decoder = 0;
    return this.train(run, config, dataset, false);
  }

  private async resume() {
    const { id } = this;
    const run = await RunFolder.open(opfsFiles, pathOf(id));
    const config = configOf(run);
    this.post({ type: "phase", phase: "pictures" });
    if (this.dataset?.id !== id) this.dataset = { id, dataset: await readDataset(platform, dataFolder(id)) };
    const { dataset } = this.dataset;
    const log = await run.readLog();
    for (const { stage, step } of log) this.steps[stage as Stage] = step;
    this.post({ type: "steps", entries: log });
    return this.train(run, config, dataset, true);
  }

  private async load(pictures: Pictures, { imageSize, skipBad, subset }: Config["data"]): Promise<Dataset> {
    if (pictures.kind === "emoji") {
      if (!emojiSizes.includes(imageSize)) {
        const sizes = emojiSizes.map((size) => `${size}×${size}`).join(" and ");
        throw new UserError(
          `the page includes emoji of ${sizes} pixels, and these settings need ${imageSize}×${imageSize}; add data.imageSize=${emojiSizes.at(-1)}`,
        );
      }
      return withSubset(await readDataset(browserPlatform, `data/emoji-${imageSize}`), subset);
    }
    const { dataset, skipped, uncaptioned } = await loadFolder(
      { ...browserPlatform, files: pickedFiles(pictures.files) },
      pictures.name,
      {
        size: imageSize,
        skipBad,
        subset,
        onProgress: (done, total) => this.post({ type: "phase", phase: "pictures", done, total }),
      },
    );
    for (const line of skipped) this.post({ type: "note", text: `skipped: ${line}` });
    if (uncaptioned > 0) {
      this.post({
        type: "note",
        text: `${uncaptioned} ${uncaptioned === 1 ? "picture" : "pictures"} of ${pictures.name} without a caption: not used`,
      });
    }
    return dataset;
  }

  /** Trains until the end or a pause, and gives back all of the GPU's memory that it took. */
  private async train(run: RunFolder, config: Config, dataset: Dataset, resume: boolean): Promise<Ended> {
    this.post({ type: "phase", phase: "opening" });
    this.gpu ??= await openGpu();
    const { gpu } = this;
    const before = gpu.memory.liveBytes;
    const tokenizer = await runVocabulary(opfsFiles, run, dataset, config);
    const captioner = buildCaptioner(gpu, config, tokenizer, { initialise: false });
    let outcome: Outcome;
    try {
      this.post({
        type: "facts",
        facts: {
          adapter: `${gpu.description}${gpu.software ? ", computing on the CPU" : ""}`,
          data: dataset.name,
          pictures: dataset.splits.train!.length,
          vocabulary: vocabularyText(tokenizer),
          parameters: {
            vqvae: captioner.imageTokenizer.parameterCount,
            decoder: captioner.decoder.parameterCount,
          },
          steps: { vqvae: config.vqvae.steps, decoder: config.decoder.steps },
          evaluateEvery: config.log.evaluateEvery,
        },
      });
      const heldOut = heldOutRecords(dataset);
      outcome = await this.stages({ platform, config, captioner, dataset, run, heldOut }, resume);
    } finally {
      captioner.dispose();
      gpu.trim();
    }
    await gpu.idle();
    return { outcome, memory: { before, after: gpu.memory.liveBytes } };
  }

  private async stages(context: StageContext, resume: boolean): Promise<Outcome> {
    const early = { stage: "" as Stage | "", due: 0, wait: firstSample };
    const onSample: Watcher["onSample"] = async (path, { stage }) => {
      const bytes = await opfsFiles.read(path);
      const type = path.endsWith(".svg") ? "image/svg+xml" : "image/png";
      const picture = new Blob([bytes.slice()], { type });
      this.post({ type: "sample", stage, step: Number(/(\d+)\.\w+$/.exec(path)?.[1]), picture });
    };
    /** Samples in the first seconds of a stage and then ever more rarely, beside those of the settings. */
    const sampleEarly: Watcher["onStep"] = async ({ step }, trainer) => {
      const now = performance.now();
      if (early.stage !== trainer.stage)
        Object.assign(early, { stage: trainer.stage, due: now + firstSample, wait: firstSample });
      if (now < early.due || step === trainer.steps) return;
      const { stopping } = this;
      const path = await trainer.sample(step);
      if (!stopping) await onSample(path, trainer);
      const took = performance.now() - now;
      early.wait = Math.max(2 * early.wait, took / sampleShare);
      early.due = performance.now() + early.wait;
    };
    const watcher: Watcher = {
      onPhase: (phase, { stage }) => {
        this.tellSteps();
        this.post({ type: "phase", phase: phase === "steps" ? stage : phase });
      },
      onSample,
      track: (work, body) => {
        const { label } = work;
        if (label !== "codes") this.post({ type: "phase", phase: label as Stage });
        return body({
          ...silentProgress,
          update: (done) => {
            if (label === "codes") this.post({ type: "phase", phase: "codes", done, total: work.total });
          },
        });
      },
      interrupted: () => this.stopping,
      goOn: () => this.tellSteps(),
      onStep: async (entry, trainer) => {
        const { stage } = trainer;
        this.steps[stage] = entry.step;
        this.untold.push(entry);
        if (performance.now() - this.lastTold > bundleMilliseconds) this.tellSteps();
        if (!this.stopping) await sampleEarly(entry, trainer);
        if (!this.exporting) return;
        this.exporting = false;
        await trainer.withUsedWeights(() => this.save(context));
        this.post({ type: "phase", phase: stage });
      },
    };
    try {
      return await trainCaptioner(context, watcher, {
        resume,
        ended: () => {
          this.tellSteps();
          return this.save(context);
        },
      });
    } finally {
      this.tellSteps();
    }
  }

  private tellSteps(): void {
    this.lastTold = performance.now();
    if (this.untold.length > 0) this.post({ type: "steps", entries: this.untold });
    this.untold = [];
  }

  /** Writes the captioner as trained so far, and sends it to the page. */
  private async save({ captioner }: StageContext): Promise<void> {
    this.post({ type: "phase", phase: "saving" });
    await saveTrained(captioner, opfsFiles, weightsFolder(this.id));
    await this.tellTrained(this.id);
  }

  private async export(id: string): Promise<void> {
    if (this.training && id === this.id) this.exporting = true;
    else await this.tellTrained(id);
  }

  private async tellTrained(id: string): Promise<void> {
    const blob = async (name: string, type: string) =>
      new Blob([(await opfsFiles.read(`${weightsFolder(id)}/${name}`)).slice()], { type });
    const config = await blob("config.json", "application/json");
    const model = await blob("model.safetensors", "application/octet-stream");
    const isCurrent = this.training && id === this.id;
    const steps = isCurrent ? { ...this.steps } : await this.storedSteps(id);
    this.post({ type: "trained", trained: { config, model, steps } });
  }

  /** The steps that a stored run has taken. */
  private async storedSteps(id: string): Promise<Record<Stage, number>> {
    const log = await (await RunFolder.open(opfsFiles, pathOf(id))).readLog();
    const last = (stage: Stage) => log.findLast((entry) => entry.stage === stage)?.step ?? 0;
    return { vqvae: last("vqvae"), decoder: last("decoder") };
  }
}
