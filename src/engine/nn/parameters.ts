/**
 * The trained parameters of a model in one buffer and their gradients in another, for an optimiser. A float16 parameter has a
 * float32 master there, since small steps would be lost in eleven bits; the parameter itself lies in a third buffer, at the
 * same offset.
 */

import type { Gpu } from "../gpu/gpu.js";
import { zeroGrad } from "../tensor/autograd.js";
import { copyStrided } from "../tensor/strided.js";
import { clear, type Tensor, untracked } from "../tensor/tensor.js";
import type { Module, Parameter } from "./module.js";

/** Parameters start at multiples of this number of elements: any device can bind them there. */
export const blockElements = 64;

function blocksOf({ tensor }: Parameter): number {
  return Math.ceil(tensor.size / blockElements);
}

/**
 * Parameters of a module moved into one buffer, and their gradients into another: an optimiser then takes one dispatch instead
 * of one per parameter. The tensors of the module become views.
 */
export class PackedParameters {
  readonly gpu: Gpu;
  readonly parameters: readonly Parameter[];
  /** [n] all values and all gradients, n a multiple of `blockElements`; the gaps between parameters stay 0. */
  readonly values: Tensor;
  readonly gradients: Tensor;
  /** [n], all values in float16, if some parameter is float16: those are views of it, the places of the others are not read. */
  readonly rounded: Tensor<"f16"> | null;
  /** The float32 master of each float16 parameter, by its name: a view of `values`. */
  readonly masters: ReadonlyMap<string, Tensor>;
  /** For each block of `blockElements`: 1 where weight decay applies, else 0. */
  readonly blockDecay: Float32Array;

  /**
   * Packs the trained parameters of `module`, in their order, into as few packs as the device's limits on bindings and buffers
   * allow: usually one.
   */
  static of(module: Module): PackedParameters[] {
    const { maxStorageBufferBindingSize, maxBufferSize } = module.gpu.limits;
    // A power of two is a size that the pool does not round up.
    const most = 2 ** Math.floor(Math.log2(Math.min(maxStorageBufferBindingSize, maxBufferSize)));
    return PackedParameters.split(module, most);
  }

  /** Splits the parameters into packs of at most `mostBytes`; a single larger parameter gets a larger pack. */
  static split(module: Module, mostBytes: number): PackedParameters[] {
    const packs: Parameter[][] = [[]];
    let bytes = 0;
    for (const parameter of module.parameters()) {
      if (!parameter.trained) continue;
      const own = blocksOf(parameter) * blockElements * 4;
      if (bytes > 0 && bytes + own > mostBytes) {
        packs.push([]);
        bytes = 0;
      }
      packs.at(-1)!.push(parameter);
      bytes += own;
    }
    return packs.map((parameters) => new PackedParameters(module.gpu, parameters));
  }

  /** Moves parameters into one buffer. */
  private constructor(gpu: Gpu, parameters: readonly Parameter[]) {
    this.gpu = gpu;
    this.parameters = parameters;
    const blocks = parameters.map(blocksOf);
    const total = blocks.reduce((sum, count) => sum + count, 0);
    this.values = untracked(this.gpu, [total * blockElements], "f32", "parameters");
    this.gradients = untracked(this.gpu, [total * blockElements], "f32", "gradients");
    this.rounded = parameters.some(({ tensor }) => tensor.dtype === "f16")
      ? untracked(gpu, [total * blockElements], "f16", "parameters in float16")
      : null;
    const masters = new Map<string, Tensor>();
    this.masters = masters;
    this.blockDecay = new Float32Array(total);
    clear(this.values);
    clear(this.gradients);
    let block = 0;
    parameters.forEach(({ tensor, decay, name }, i) => {
      const start = block * blockElements;
      if (tensor.dtype === "f16") {
        const master = this.values.alias(tensor.shape, tensor.strides, start);
        copyStrided(tensor, master, { accumulate: false });
        masters.set(name, master);
        tensor.moveTo(this.rounded!.storage, start);
      } else {
        const { storage, offset, size } = tensor;
        this.gpu.copyBuffer(storage, offset * 4, this.values.storage, start * 4, size * 4);
        tensor.moveTo(this.values.storage, start);
      }
      tensor.label = name;
      tensor.grad = this.gradients.alias(tensor.shape, tensor.strides, start);
      tensor.grad.label = `grad ${name}`;
      if (decay) this.blockDecay.fill(1, block, block + blocks[i]!);
      block += blocks[i]!;
    });
    this.round();
  }

  /** Sets the float16 parameters to their masters. Call it after anything other than the optimiser has changed the values. */
  round(): void {
    if (this.rounded) copyStrided(this.values, this.rounded, { accumulate: false });
  }

  /** Makes the next backward pass overwrite the gradients. */
  zeroGrad(): void {
    for (const { tensor } of this.parameters) zeroGrad(tensor);
  }

  /** Sets to zero the gradients that the backward pass did not reach, which would be stale otherwise. */
  completeGradients(): void {
    for (const { tensor } of this.parameters) {
      if (tensor.gradIsCurrent) continue;
      clear(tensor.grad!);
      tensor.gradIsCurrent = true;
    }
  }

  /** Frees the gradients. The values stay: they are the model's parameters. */
  dispose(): void {
    for (const { tensor } of this.parameters) {
      tensor.grad?.dispose();
      tensor.grad = null;
    }
    for (const master of this.masters.values()) master.dispose();
    this.rounded?.dispose();
    this.gradients.dispose();
    this.values.dispose();
  }
}
