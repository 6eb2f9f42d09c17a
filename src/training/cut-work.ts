/**
 * Captured work cut where tensors are complete: submitted part by part, it gives them away while the rest still runs. The commands,
 * and so the numbers, are those of the whole.
 */

import type { CapturedWork } from "../engine/gpu/captured-work.js";
import type { Storage } from "../engine/gpu/pool.js";
import type { Command } from "../engine/gpu/recording.js";
import { extent } from "../engine/gpu/region.js";
import { Replay } from "../engine/gpu/replay.js";
import type { Tensor } from "../engine/tensor/tensor.js";

/** Commands to submit together, and the tensors that no later command changes. */
export interface WorkPart {
  readonly part: Replay;
  readonly complete: readonly Tensor[];
}

/** The parts of `work` after which float32 tensors, dense views of any storages, are complete. */
export function cutWork({ replay }: CapturedWork, tensors: readonly Tensor[]): WorkPart[] {
  const { commands, bindGroups, uniforms } = replay;
  /** By the number of commands before the cut. */
  const cuts = new Map<number, Tensor[]>([[commands.length, []]]);
  for (const tensor of tensors) {
    const end = commands.findLastIndex((command) => changes(command, tensor)) + 1;
    cuts.set(end, [...(cuts.get(end) ?? []), tensor]);
  }
  let from = 0;
  return [...cuts]
    .sort(([a], [b]) => a - b)
    .map(([end, complete]) => {
      const part = new Replay(commands.slice(from, end), bindGroups, uniforms);
      from = end;
      return { part, complete };
    });
}

/** Whether a command may write an element of a tensor. */
function changes(command: Command, tensor: Tensor): boolean {
  const [start, end] = [4 * tensor.offset, 4 * (tensor.offset + tensor.size)];
  const meets = (storage: Storage, offset: number, size: number) =>
    storage === tensor.storage && offset < end && start < offset + size;
  if (command.kind === "clear") return meets(command.target, command.offset, command.size);
  if (command.kind === "copy") return meets(command.target, command.targetOffset, command.size);
  const { bindings } = command.pipeline.kernel.spec;
  return command.bindings.some(
    ({ storage, offset, size, writes }, i) =>
      bindings[i]!.access === "read_write" &&
      (writes ? meets(storage, writes.offset, extent(writes)) : meets(storage, offset, size)),
  );
}
