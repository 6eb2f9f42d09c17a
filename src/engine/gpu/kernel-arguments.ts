/** The arguments of a kernel: their types, and their conversion to buffer ranges and words of a uniform struct. */

import { GpuError } from "./errors.js";
import {
  bindingDType,
  bytesPerElement,
  type DType,
  type Kernel,
  type KernelSpec,
  type Specialisation,
  type Vec4,
} from "./kernel.js";
import { Storage } from "./pool.js";
import type { BoundRange } from "./recording.js";
import { type Region, stretch } from "./region.js";

/** The properties of a tensor that `run` needs. */
export interface Bindable<D extends DType = DType> {
  readonly storage: Storage;
  readonly dtype: D;
  /** Elements from the start of the storage. */
  readonly offset: number;
  /** Number of elements. */
  readonly size: number;
  readonly contiguous: boolean;
  readonly label: string;
  /** Makes a dense copy in separate memory, which the caller frees. */
  packed(): Bindable<D>;
  /** Overwrites the elements with those of such a copy. */
  unpack(copy: this): void;
}

/**
 * The arguments of a kernel by the names of its bindings: tensors of their element types, or storages bound as a whole;
 * views of textures.
 */
export type BindingsOf<K> =
  K extends Kernel<infer B, infer _P, infer _V, infer _T>
    ? {
        readonly [N in keyof B]: B[N] extends DType
          ? Bindable<B[N]> | Storage
          : B[N] extends "texture"
            ? GPUTextureView
            : never;
      }
    : never;
/** The values of a kernel's uniforms by name. */
export type ParamsOf<K> =
  K extends Kernel<infer _B, infer P, infer _V, infer _T> ? { readonly [N in keyof P]: P[N] } : never;
type VariantsOf<K> = K extends Kernel<infer _B, infer _P, infer V, infer _T> ? V : never;
type TunablesOf<K> = K extends Kernel<infer _B, infer _P, infer _V, infer T> ? T : never;

/** Options of `Gpu.run`. */
export interface RunOptions<K> {
  /** Workgroups in x, y and z. */
  groups: readonly [number, number?, number?];
  variant?: Partial<VariantsOf<K>>;
  tune?: Partial<TunablesOf<K>>;
  /** The bytes that the kernel writes in a storage that is bound as a whole; default all. */
  writes?: Region;
}

/** The type of `Gpu.run`. */
export type RunKernel = <K extends Kernel>(
  kernel: K,
  bindings: BindingsOf<K>,
  params: ParamsOf<K>,
  options: RunOptions<K>,
) => void;

/** Arguments by the names of the bindings, for any kernel. */
export type Bound = Readonly<Record<string, Bindable | Storage>>;

/** Whether the tensor can be bound without a copy: row-major without gaps, at an offset that a binding may have. */
export function binds({ contiguous, offset, dtype }: Bindable, limits: GPUSupportedLimits): boolean {
  return contiguous && (offset * bytesPerElement[dtype]) % limits.minStorageBufferOffsetAlignment === 0;
}

/**
 * Returns the buffer range for each binding of a kernel, in the order of its spec. A view that cannot be bound is bound as a
 * dense copy, which is added to `copies`. Notifies storages that they will be written: in the region `writes` if bound as a
 * whole. Throws a `GpuError` that names kernel and tensor when a binding cannot be used.
 */
export function bindRanges(
  spec: KernelSpec,
  bindings: Bound,
  specialisation: Specialisation,
  copies: Map<Bindable, Bindable>,
  limits: GPUSupportedLimits,
  writes?: Region,
): BoundRange[] {
  const ranges: BoundRange[] = [];
  for (const binding of spec.bindings) {
    const bound = bindings[binding.name];
    if (!bound) throw new GpuError(`${spec.name}: nothing is bound to ${binding.name}`);
    let range: BoundRange;
    if (bound instanceof Storage) {
      range = { storage: bound, offset: 0, size: bound.bytes, writes };
    } else {
      const dtype = bindingDType(binding, specialisation);
      if (bound.dtype !== dtype) {
        throw new GpuError(
          `${spec.name}: ${binding.name} takes ${dtype}, but ${bound.label} is ${bound.dtype}`,
        );
      }
      const tensor = binds(bound, limits) ? bound : (copies.get(bound) ?? bound.packed());
      if (tensor !== bound) copies.set(bound, tensor);
      const { storage } = tensor;
      const elementBytes = bytesPerElement[dtype];
      const start = tensor.offset * elementBytes;
      // Round up to whole vec4s: a buffer is never smaller than that, and kernels that read vectors need it.
      const size = Math.min(Math.ceil((bound.size * elementBytes) / 16) * 16, storage.bytes - start);
      range = { storage, offset: start, size };
    }
    if (range.storage.free)
      throw new GpuError(`${spec.name}: ${range.storage.label}, bound to ${binding.name}, was freed`);
    ranges.push(range);
  }
  for (let i = 0; i < ranges.length; i++) {
    if (spec.bindings[i]!.access !== "read_write") continue;
    const output = bindings[spec.bindings[i]!.name]!;
    const { storage, offset } = ranges[i]!;
    storage.written(
      output instanceof Storage ? writes : stretch(offset, output.size * bytesPerElement[output.dtype]),
    );
    for (let j = 0; j < ranges.length; j++) {
      if (ranges[j]!.storage === ranges[i]!.storage && spec.bindings[j]!.access === "read") {
        throw new GpuError(
          `${spec.name}: ${spec.bindings[i]!.name} and ${spec.bindings[j]!.name} are the same buffer (${ranges[i]!.storage.label}), read and written`,
        );
      }
    }
  }
  return ranges;
}

/** Writes the members of a kernel's uniform struct into a block, from the byte `base` on. */
export function writeUniform(
  { name, uniform }: KernelSpec,
  params: Readonly<Record<string, number | Vec4>>,
  view: DataView,
  base: number,
): void {
  for (const member of uniform!.members) {
    const value = params[member.name];
    if (value === undefined) throw new GpuError(`${name}: the uniform ${member.name} is missing`);
    for (let lane = 0; lane < member.width; lane++) {
      const number = typeof value === "number" ? value : value[lane]!;
      // Storing into an integer array converts silently: NaN to 0, 2.5 to 2.
      if (member.type !== "f32" && !Number.isInteger(number))
        throw new GpuError(`${name}: the uniform ${member.name} is ${number}, not a whole number`);
      const at = base + member.offset + 4 * lane;
      if (member.type === "f32") view.setFloat32(at, number, true);
      else if (member.type === "u32") view.setUint32(at, number, true);
      else view.setInt32(at, number, true);
    }
  }
}
