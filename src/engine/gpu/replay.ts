/**
 * Captured commands with everything looked up that does not change from run to run, so that a run costs three calls
 * a dispatch, and two where the pipeline stays.
 */

import type { BindGroupCache } from "./bind-groups.js";
import type { BufferClear, BufferCopy, Command } from "./recording.js";

interface ReplayDispatch {
  /** null: that of the dispatch before. */
  pipeline: GPUComputePipeline | null;
  group: GPUBindGroup;
  /** Of the uniforms; null for kernels without. */
  offsets: number[] | null;
  x: number;
  y: number;
  z: number;
}

type Stage = { kind: "pass"; dispatches: ReplayDispatch[] } | BufferCopy | BufferClear;

export class Replay {
  readonly dispatches: number;
  readonly #stages: Stage[] = [];

  /** The pipelines of the commands have to be compiled. */
  constructor(commands: readonly Command[], bindGroups: BindGroupCache, uniforms: GPUBuffer) {
    let pass: ReplayDispatch[] | null = null;
    let current = -1;
    for (const command of commands) {
      if (command.kind !== "dispatch") {
        pass = null;
        this.#stages.push(command);
        continue;
      }
      if (!pass) {
        pass = [];
        current = -1;
        this.#stages.push({ kind: "pass", dispatches: pass });
      }
      const { pipeline } = command;
      const [x, y, z] = command.groups;
      pass.push({
        pipeline: pipeline.id === current ? null : pipeline.now(),
        group: bindGroups.get(command, uniforms),
        offsets: pipeline.kernel.spec.uniform ? [command.uniformOffset] : null,
        x,
        y,
        z,
      });
      current = pipeline.id;
    }
    this.dispatches = commands.filter(({ kind }) => kind === "dispatch").length;
  }

  encode(encoder: GPUCommandEncoder): void {
    for (const stage of this.#stages) {
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

/** A copy or a clear, outside of any pass. */
export function encodeTransfer(encoder: GPUCommandEncoder, command: BufferCopy | BufferClear): void {
  if (command.kind === "copy") {
    const { source, sourceOffset, target, targetOffset, size } = command;
    encoder.copyBufferToBuffer(source.buffer, sourceOffset, target.buffer, targetOffset, size);
  } else {
    encoder.clearBuffer(command.target.buffer, command.offset, command.size);
  }
}
