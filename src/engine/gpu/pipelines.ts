/** Compute pipelines, made once for each kernel and specialisation; the device compiles several at a time. */

import { GpuValidationError } from "./errors.js";
import type { Failures } from "./failures.js";
import { type Kernel, type Specialisation, specialise } from "./kernel.js";

export class Pipeline {
  readonly id: number;
  readonly kernel: Kernel;
  readonly layout: GPUBindGroupLayout;
  /** Resolves, and never rejects, when the device has compiled the pipeline or refused it. */
  readonly settled: Promise<void>;
  /** null while it is being compiled, and for good if the device refuses it. */
  compiled: GPUComputePipeline | null = null;
  refused = false;
  readonly #descriptor: GPUComputePipelineDescriptor;
  readonly #device: GPUDevice;

  /** Calls `onError` for WGSL that does not compile and for any other error of the device. */
  constructor(
    device: GPUDevice,
    id: number,
    kernel: Kernel,
    specialisation: Specialisation,
    onError: (error: GpuValidationError) => void,
  ) {
    const { spec } = kernel;
    const label = `mcd ${spec.name}`;
    this.#device = device;
    this.id = id;
    this.kernel = kernel;
    device.pushErrorScope("validation");
    const code = specialise(kernel, specialisation);
    const module = device.createShaderModule({ label, code });
    this.layout = device.createBindGroupLayout({ label, entries: layoutEntries(kernel) });
    this.#descriptor = {
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [this.layout] }),
      compute: { module, entryPoint: spec.entryPoint },
    };
    const scope = device.popErrorScope();
    const compiling = device.createComputePipelineAsync(this.#descriptor);
    this.settled = this.#settle(
      scope,
      compiling,
      async () => {
        const { compilationErrors } = await import("./compilation-errors.js");
        return compilationErrors(kernel, code, module);
      },
      onError,
    );
  }

  async #settle(
    scope: Promise<GPUError | null>,
    compiling: Promise<GPUComputePipeline>,
    listErrors: () => Promise<string[]>,
    onError: (error: GpuValidationError) => void,
  ): Promise<void> {
    const [invalid, compiled] = await Promise.allSettled([scope, compiling]);
    if (compiled.status === "fulfilled") {
      this.compiled ??= compiled.value;
      return;
    }
    this.refused = true;
    if (invalid.status === "rejected") return; // the device is lost, which is reported separately
    const problems = await listErrors().catch(() => []);
    const { message } = invalid.value ?? (compiled.reason as Error);
    onError(new GpuValidationError(`kernel ${this.kernel.spec.name}: ${problems.join("; ") || message}`));
  }

  /** Returns the pipeline at once, compiled synchronously if it is not ready. Errors are reported as usual. */
  now(): GPUComputePipeline {
    if (!this.compiled) {
      this.#device.pushErrorScope("validation"); // `settle` reports its errors
      this.compiled = this.#device.createComputePipeline(this.#descriptor);
      this.#device.popErrorScope().catch(() => {});
    }
    return this.compiled;
  }
}

function layoutEntries({ spec }: Kernel): GPUBindGroupLayoutEntry[] {
  const entry = (
    binding: number,
    resource: Omit<GPUBindGroupLayoutEntry, "binding" | "visibility">,
  ): GPUBindGroupLayoutEntry => ({ binding, visibility: GPUShaderStage.COMPUTE, ...resource });
  const { uniform, bindings, textures = [] } = spec;
  const params =
    uniform && ({ type: "uniform", hasDynamicOffset: true, minBindingSize: uniform.size } as const);
  return [
    ...(params ? [entry(0, { buffer: params })] : []),
    ...bindings.map(({ binding, access }) =>
      entry(binding, { buffer: { type: access === "read" ? "read-only-storage" : "storage" } }),
    ),
    ...textures.map(({ binding }) => entry(binding, { texture: { sampleType: "unfilterable-float" } })),
  ];
}

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<Kernel, Map<string, Pipeline>>();
  readonly #failures: Failures;
  created = 0;

  constructor(device: GPUDevice, failures: Failures) {
    this.#device = device;
    this.#failures = failures;
  }

  /** Returns the pipeline; the first request starts its compilation. */
  get(kernel: Kernel, specialisation: Specialisation): Pipeline {
    let specialised = this.#pipelines.get(kernel);
    if (!specialised) {
      specialised = new Map();
      this.#pipelines.set(kernel, specialised);
    }
    let key = "";
    for (const name in specialisation.variant) key += `${name}=${specialisation.variant[name]};`;
    for (const name in specialisation.tune) key += `${name}=${specialisation.tune[name]};`;
    const found = specialised.get(key);
    if (found) return found;
    const failures = this.#failures;
    const made = new Pipeline(this.#device, ++this.created, kernel, specialisation, (error) =>
      failures.fail(error, true),
    );
    specialised.set(key, made);
    failures.expect(made.settled);
    return made;
  }
}
