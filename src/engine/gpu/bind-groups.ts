/**
 * A cache of bind groups: creating one costs ten times as much as using one. Groups with a texture or with a buffer that the
 * engine did not make are not cached, since the cache would keep alive resources that their owner may have released. There are
 * more combinations of buffers and offsets than a cache can hold, so groups that have not been used for long are evicted.
 */

import type { Pipeline } from "./pipelines.js";
import { borrowedId } from "./pool.js";
import type { BoundRange, Dispatch } from "./recording.js";

/** The maximum number of groups in one generation. A forward pass of the largest preset uses some hundreds of different ones. */
const mostOfAnAge = 2048;
/** The maximum number of groups in a cache. */
export const mostKeptGroups = 2 * mostOfAnAge;

export class BindGroupCache {
  readonly #device: GPUDevice;
  /** Groups used in the current generation. At `mostOfAnAge` they become the old generation; the previous old one is evicted. */
  #young = new Map<string, GPUBindGroup>();
  #old = new Map<string, GPUBindGroup>();
  created = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The uniform block is bound with a dynamic offset, so one group serves every set of scalars. */
  get({ pipeline, bindings, textures }: Dispatch, uniforms: GPUBuffer): GPUBindGroup {
    if (textures.length > 0 || bindings.some(({ storage }) => storage.place.id === borrowedId))
      return this.#create(pipeline, bindings, textures, uniforms);
    let key = `${pipeline.id}/`;
    for (const range of bindings) key += `${range.storage.place.id}:${range.offset}:${range.size},`;
    const young = this.#young.get(key);
    if (young) return young;
    const group = this.#old.get(key) ?? this.#create(pipeline, bindings, textures, uniforms);
    if (this.#young.size === mostOfAnAge) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, group);
    return group;
  }

  /** The number of cached groups; a group in both generations counts twice. */
  get kept(): number {
    return this.#young.size + this.#old.size;
  }

  #create(
    pipeline: Pipeline,
    bindings: readonly BoundRange[],
    textures: readonly GPUTextureView[],
    uniforms: GPUBuffer,
  ): GPUBindGroup {
    this.created++;
    const { spec } = pipeline.kernel;
    const entries: GPUBindGroupEntry[] = bindings.map((range, i) => ({
      binding: spec.bindings[i]!.binding,
      resource: { buffer: range.storage.buffer, offset: range.offset, size: range.size },
    }));
    textures.forEach((resource, i) => {
      entries.push({ binding: spec.textures![i]!.binding, resource });
    });
    if (spec.uniform)
      entries.push({ binding: 0, resource: { buffer: uniforms, offset: 0, size: spec.uniform.size } });
    return this.#device.createBindGroup({ label: `mcd ${spec.name}`, layout: pipeline.layout, entries });
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
