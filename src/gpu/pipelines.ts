/** Compute pipelines, made once for each kernel and specialisation. */

import { GpuValidationError } from "./errors.js";
import { type Kernel, type Specialisation, specialise } from "./kernel.js";

export interface Pipeline {
  readonly id: number;
  readonly kernel: Kernel;
  readonly layout: GPUBindGroupLayout;
  readonly pipeline: GPUComputePipeline;
}

export class PipelineCache {
  private readonly device: GPUDevice;
  private readonly pipelines = new Map<Kernel, Map<string, Pipeline>>();
  private readonly onError: (error: GpuValidationError) => void;
  private readonly checks = new Set<Promise<void>>();
  created = 0;

  constructor(device: GPUDevice, onError: (error: GpuValidationError) => void) {
    this.device = device;
    this.onError = onError;
  }

  get(kernel: Kernel, specialisation: Specialisation): Pipeline {
    let specialised = this.pipelines.get(kernel);
    if (!specialised) {
      specialised = new Map();
      this.pipelines.set(kernel, specialised);
    }
    let key = "";
    for (const name in specialisation.variant) key += `${name}=${specialisation.variant[name]};`;
    for (const name in specialisation.tune) key += `${name}=${specialisation.tune[name]};`;
    const found = specialised.get(key);
    if (found) return found;
    const made = this.create(kernel, specialisation);
    specialised.set(key, made);
    return made;
  }

  private create(kernel: Kernel, specialisation: Specialisation): Pipeline {
    const { spec } = kernel;
    const { device } = this;
    this.created++;
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label: `mcd ${spec.name}`, code: specialise(kernel, specialisation) });
    const layout = device.createBindGroupLayout({
      label: `mcd ${spec.name}`,
      entries: [
        ...(spec.uniform
          ? [
              {
                binding: 0,
                visibility: GPUShaderStage.COMPUTE,
                buffer: { type: "uniform" as const, hasDynamicOffset: true, minBindingSize: spec.uniform.size },
              },
            ]
          : []),
        ...spec.bindings.map((binding) => ({
          binding: binding.binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: binding.access === "read" ? ("read-only-storage" as const) : ("storage" as const) },
        })),
      ],
    });
    const pipeline = device.createComputePipeline({
      label: `mcd ${spec.name}`,
      layout: device.createPipelineLayout({ label: `mcd ${spec.name}`, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: spec.entryPoint },
    });
    const check = this.reportErrors(kernel, module, device.popErrorScope());
    this.checks.add(check);
    check.then(() => this.checks.delete(check));
    return { id: this.created, kernel, layout, pipeline };
  }

  /** Resolves when the device has said of every pipeline so far whether it is valid. */
  async checked(): Promise<void> {
    await Promise.all(this.checks);
  }

  private async reportErrors(kernel: Kernel, module: GPUShaderModule, scope: Promise<GPUError | null>): Promise<void> {
    try {
      const error = await scope;
      if (!error) return;
      const problems = await compilationErrors(kernel, module);
      this.onError(new GpuValidationError(`kernel ${kernel.spec.name}: ${problems.join("; ") || error.message}`));
    } catch {
      // The device is lost, which is reported on its own.
    }
  }
}

/** WGSL errors of a module as `shaders/file.wgsl:line:column: message`. */
export async function compilationErrors(kernel: Kernel, module: GPUShaderModule): Promise<string[]> {
  const information = await module.getCompilationInfo();
  return information.messages
    .filter((message) => message.type === "error")
    .map((message) => `${kernel.spec.file}:${message.lineNum}:${message.linePos}: ${message.message}`);
}
