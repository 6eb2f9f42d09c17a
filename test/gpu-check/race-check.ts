/**
 * Looks for races in kernels. While it is installed on a `Gpu`, the first dispatches of each kernel and variant run 50 times from the same inputs, under
 * schedules that move the workgroups of a dispatch against each other and against other work. All results must have the same bits: a
 * kernel whose result depends on the order of its invocations does not.
 */

import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import { Storage } from "../../dist/engine/gpu/pool.js";
import { wgsl } from "../../dist/ops.js";

/** Sets `differs[params.slot]` to 1 if any of the words of two buffers differ. Grid: an invocation a word, folded over x and y. */
const source = `
struct Params { count: u32, slot: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> first: array<u32>;
@group(0) @binding(2) var<storage, read> now: array<u32>;
@group(0) @binding(3) var<storage, read_write> differs: array<u32>;
@compute @workgroup_size(64)
fn compare(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * 64 + local;
  if (i < params.count && first[i] != now[i]) { differs[params.slot] = 1u; }
}`;

/** Grids of a kernel and variant that are looked at: small ones and large ones may differ. */
const gridsOfEach = 2;
/** Bytes that a dispatch may write to be looked at: they are compared 50 times. */
const mostBytes = 4 << 20;

export interface Race {
  readonly kernel: string;
  /** Choices and tunables of the dispatch, for people. */
  readonly variant: string;
  readonly groups: readonly number[];
  /** Runs whose result was not that of the first. */
  readonly differing: number;
  readonly runs: number;
}

export interface RaceCheckOptions {
  /** Runs of each dispatch; default 50. */
  runs?: number;
  /** Work to run beside the dispatches: records some. */
  load?: () => void;
  /** Whether to look at no more kernels. */
  over?: () => boolean;
}

type Run = (kernel: AnyKernel, bindings: Bindings, params: object, options: RunOptions) => void;
type Bindings = Readonly<Record<string, Storage | { storage: Storage } | GPUTextureView>>;
interface AnyKernel {
  readonly source: string;
  readonly spec: {
    readonly name: string;
    readonly bindings: readonly { readonly name: string; readonly access: string }[];
  };
}
interface RunOptions {
  readonly groups: readonly number[];
  readonly variant?: object;
  readonly tune?: object;
}

export class RaceCheck {
  /** How often each kernel ran, by name, in dispatches that were looked at. */
  readonly looked = new Map<string, number>();
  /** Kernels of which no dispatch was looked at, and why. */
  readonly passedOver = new Map<string, string>();
  readonly races: Race[] = [];
  readonly #gpu: Gpu;
  readonly #runs: number;
  readonly #load: () => void;
  readonly #over: () => boolean;
  readonly #run: Run;
  readonly #capture: Gpu["capture"];
  readonly #grids = new Map<string, Set<string>>();
  #reads: Promise<void>[] = [];
  /** Depth of captures, whose memory has no place yet, and of the check's own work. */
  #closed = 0;

  /** Installs itself on `gpu`. */
  constructor(gpu: Gpu, { runs = 50, load = () => {}, over = () => false }: RaceCheckOptions = {}) {
    this.#gpu = gpu;
    this.#runs = runs;
    this.#load = load;
    this.#over = over;
    this.#run = gpu.run.bind(gpu) as Run;
    this.#capture = gpu.capture.bind(gpu);
    const run: Run = (kernel, bindings, params, options) => {
      if (this.#wants(kernel, bindings, options)) this.#look(kernel, bindings, params, options);
      else this.#run(kernel, bindings, params, options);
    };
    const capture: Gpu["capture"] = (body) => this.#within(() => this.#capture(body));
    Object.assign(gpu, { run, capture });
  }

  /** Takes itself off. */
  restore(): void {
    // What was assigned hides the methods of the class.
    for (const name of ["run", "capture"]) Reflect.deleteProperty(this.#gpu, name);
  }

  /** Waits for all comparisons so far. */
  async settle(): Promise<void> {
    await Promise.all(this.#reads.splice(0));
  }

  #within<T>(body: () => T): T {
    this.#closed++;
    try {
      return body();
    } finally {
      this.#closed--;
    }
  }

  /** Whether to look at the dispatch: it is not captured, not too large, and of a kernel, variant or grid that is new. */
  #wants({ spec }: AnyKernel, bindings: Bindings, options: RunOptions): boolean {
    if (this.#closed > 0 || this.#over()) return false;
    const bytes = written(spec, bindings).reduce((sum, storage) => sum + storage.bytes, 0);
    if (bytes > mostBytes) {
      if (!this.looked.has(spec.name))
        this.passedOver.set(spec.name, `writes more than ${mostBytes / 2 ** 20} MiB`);
      return false;
    }
    const key = `${spec.name} ${choicesOf(options)}`;
    const grids = this.#grids.get(key) ?? new Set();
    const grid = options.groups.join();
    if (grids.has(grid) || grids.size >= gridsOfEach) return false;
    this.#grids.set(key, grids.add(grid));
    this.passedOver.delete(spec.name);
    return true;
  }

  #look(kernel: AnyKernel, bindings: Bindings, params: object, options: RunOptions): void {
    const gpu = this.#gpu;
    const { name } = kernel.spec;
    const outputs = written(kernel.spec, bindings);
    const differs = gpu.allocate(4 * this.#runs, "race check");
    gpu.clearBuffer(differs, 0, 4 * this.#runs);
    // What the check writes back has been there before: tensors that the tape has saved do not change by it.
    for (const storage of outputs) Object.assign(storage, { written() {} });
    try {
      this.#within(() => {
        const copies = outputs.map((storage) => ({
          storage,
          before: gpu.allocate(storage.bytes, "race check"),
          first: gpu.allocate(storage.bytes, "race check"),
        }));
        for (const { storage, before } of copies) gpu.copyBuffer(storage, 0, before, 0, storage.bytes);
        for (let i = 0; i < this.#runs; i++) {
          for (const { storage, before } of copies) {
            if (i > 0) gpu.copyBuffer(before, 0, storage, 0, storage.bytes);
          }
          this.#disturb(i, () => this.#run(kernel, bindings, params, options));
          for (const { storage, first } of copies) {
            if (i === 0) gpu.copyBuffer(storage, 0, first, 0, storage.bytes);
            else this.#compare(first, storage, differs, i);
          }
        }
        for (const { before, first } of copies) {
          before.release();
          first.release();
        }
      });
    } finally {
      for (const storage of outputs) Reflect.deleteProperty(storage, "written");
    }
    this.looked.set(name, (this.looked.get(name) ?? 0) + this.#runs);
    this.#reads.push(this.#judge(name, options, differs));
  }

  async #judge(kernel: string, options: RunOptions, differs: Storage): Promise<void> {
    const runs = this.#runs;
    try {
      const words = new Uint32Array(await this.#gpu.read(differs, 0, 4 * runs));
      const differing = words.reduce((sum, word) => sum + word, 0);
      if (differing > 0)
        this.races.push({ kernel, variant: choicesOf(options), groups: options.groups, differing, runs });
    } catch {
      // Errors that a test makes on purpose reach whoever reads next. The dispatch was not judged then.
      this.looked.delete(kernel);
      this.passedOver.set(kernel, "its test ends with an error");
    } finally {
      differs.release();
    }
  }

  /** Runs the dispatch in one of four schedules: alone, right behind the one before, beside other work, or behind other work that keeps the device busy. */
  #disturb(i: number, run: () => void): void {
    const gpu = this.#gpu;
    const schedule = i % 4;
    if (schedule === 0) gpu.flush();
    // Work on other buffers in the same submission: a device may run both at once.
    if (schedule >= 2) gpu.scope(this.#load);
    run();
    if (schedule === 2) gpu.scope(this.#load);
    if (schedule === 0 || schedule === 3) gpu.flush();
  }

  #compare(first: Storage, now: Storage, differs: Storage, slot: number): void {
    const count = now.bytes / 4;
    const { compare } = wgsl(source, "race-check.wgsl");
    const groups = this.#gpu.groups1d(count, 64);
    this.#run(compare as unknown as AnyKernel, { first, now, differs }, { count, slot }, { groups });
  }
}

/** The storages that a kernel writes, each once. */
function written(spec: AnyKernel["spec"], bindings: Bindings): Storage[] {
  const storages = spec.bindings
    .filter(({ access }) => access === "read_write")
    .map(({ name }) => bindings[name])
    .flatMap((bound) =>
      bound instanceof Storage ? [bound] : bound && "storage" in bound ? [bound.storage] : [],
    );
  return [...new Set(storages)];
}

const choicesOf = ({ variant = {}, tune = {} }: RunOptions): string =>
  Object.entries({ ...variant, ...tune })
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
