/**
 * Bind groups, kept for as long as their buffers live: making one costs ten times what using one does. Those with a
 * texture or a buffer of someone else's are not kept, as that would keep what their owner may have given up.
 */

import type { Pipeline } from "./pipelines.js";
import { borrowedId } from "./pool.js";
import type { BoundRange, Dispatch } from "./recording.js";

export class BindGroupCache {
  readonly #device: GPUDevice;
  readonly #groups = new Map<number, Map<string, GPUBindGroup>>();
  created = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The uniform block is bound with a dynamic offset, so one group serves every set of scalars. */
  get({ pipeline, bindings, textures }: Dispatch, uniforms: GPUBuffer): GPUBindGroup {
    if (textures.length > 0 || bindings.some(({ storage }) => storage.place.id === borrowedId))
      return this.#create(pipeline, bindings, textures, uniforms);
    let known = this.#groups.get(pipeline.id);
    if (!known) {
      known = new Map();
      this.#groups.set(pipeline.id, known);
    }
    let key = "";
    for (const range of bindings) key += `${range.storage.place.id}:${range.offset}:${range.size},`;
    let group = known.get(key);
    if (!group) {
      group = this.#create(pipeline, bindings, textures, uniforms);
      known.set(key, group);
    }
    return group;
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
    this.#groups.clear();
  }
}
