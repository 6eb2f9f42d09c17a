/**
 * Commands with everything needed to encode them. Values that do not change from run to run are looked up once, so that a run
 * of captured work costs three calls per dispatch, or two if the pipeline stays the same.
 */

import type { BindGroupCache } from "./bind-groups.js";
import type { Pipeline } from "./pipelines.js";
import type { BufferClear, BufferCopy, Command } from "./recording.js";

interface ReplayDispatch {
  /** null: the pipeline of the previous dispatch. */
  pipeline: GPUComputePipeline | null;
  group: GPUBindGroup;
  /** Offsets of the uniforms; null for kernels without uniforms. */
  offsets: number[] | null;
  x: number;
  y: number;
  z: number;
}

type Stage = { kind: "pass"; dispatches: ReplayDispatch[] } | BufferCopy | BufferClear;

export class Replay {
  readonly commands: readonly Command[];
  readonly bindGroups: BindGroupCache;
  readonly uniforms: GPUBuffer;
  readonly dispatches: number;
  /** The pipelines that the commands need, each once. */
  readonly pipelines: readonly Pipeline[];
  #stages: Stage[] | null = null;

  constructor(commands: readonly Command[], bindGroups: BindGroupCache, uniforms: GPUBuffer) {
    this.commands = commands;
    this.bindGroups = bindGroups;
    this.uniforms = uniforms;
    const dispatches = commands.filter((command) => command.kind === "dispatch");
    this.dispatches = dispatches.length;
    this.pipelines = [...new Set(dispatches.map(({ pipeline }) => pipeline))];
  }

  /** The pipelines that must be compiled before `prepare`. */
  get awaited(): readonly Pipeline[] {
    return this.#stages ? [] : this.pipelines;
  }

  /** Looks up pipelines and bind groups once. Blocks while pipelines that are not ready are compiled. */
  prepare(): readonly Stage[] {
    if (this.#stages) return this.#stages;
    const stages: Stage[] = [];
    let pass: ReplayDispatch[] | null = null;
    let current = -1;
    for (const command of this.commands) {
      if (command.kind !== "dispatch") {
        pass = null;
        stages.push(command);
        continue;
      }
      if (!pass) {
        pass = [];
        current = -1;
        stages.push({ kind: "pass", dispatches: pass });
      }
      const { pipeline } = command;
      const [x, y, z] = command.groups;
      pass.push({
        pipeline: pipeline.id === current ? null : pipeline.now(),
        group: this.bindGroups.get(command, this.uniforms),
        offsets: pipeline.kernel.spec.uniform ? [command.uniformOffset] : null,
        x,
        y,
        z,
      });
      current = pipeline.id;
    }
    this.#stages = stages;
    return stages;
  }

  encode(encoder: GPUCommandEncoder): void {
    for (const stage of this.prepare()) {
      if (stage.kind === "pass") encodePass(encoder, stage.dispatches);
      else encodeTransfer(encoder, stage);
    }
  }
}

function encodePass(encoder: GPUCommandEncoder, dispatches: readonly ReplayDispatch[]): void {
  const pass = encoder.beginComputePass();
  for (let i = 0; i < dispatches.length; i++) {
    const { pipeline, group, offsets, x, y, z } = dispatches[i]!;
    if (pipeline) pass.setPipeline(pipeline);
    if (offsets) pass.setBindGroup(0, group, offsets);
    else pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(x, y, z);
  }
  pass.end();
}

/** Encodes a copy or a clear, outside of any pass. */
export function encodeTransfer(encoder: GPUCommandEncoder, command: BufferCopy | BufferClear): void {
  if (command.kind === "copy") {
    const { source, sourceOffset, target, targetOffset, size } = command;
    encoder.copyBufferToBuffer(source.buffer, sourceOffset, target.buffer, targetOffset, size);
  } else {
    encoder.clearBuffer(command.target.buffer, command.offset, command.size);
  }
}
