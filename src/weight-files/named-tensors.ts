/** Finds the tensors in the object of a checkpoint and names them by their path in it. */

import { DEEPEST } from "../io/pickle/pickle.js";
import { PickleClass, PickleObject } from "../io/pickle/values.js";
import { UserError } from "../platform/errors.js";
import { shown } from "../platform/shown.js";
import { isUnreadTensor, TorchTensor } from "./torch-classes.js";

/** The name of a file's only tensor, if the file holds a bare tensor. */
export const BARE = "tensor";
/** Names are paths, whose keys a small file may repeat without end. */
const LONGEST_NAME = 1024;

export interface NamedTensors {
  tensors: Map<string, TorchTensor>;
  /** Texts and numbers beside a state dict. */
  metadata: Record<string, string>;
  /** Keys beside a state dict whose values are left out. */
  beside: string[];
}

/**
 * The tensors of a checkpoint: of its `state_dict` if it has one, else all in it. A name is the keys on the way to the tensor, with
 * dots (`a.b`), and `[i]` for places in lists. Modules have the names of their state dict. A dict or list that is met again is
 * not listed again. Throws a `UserError` that begins with `fileName`.
 */
export function nameTensors(root: unknown, fileName: string): NamedTensors {
  const found = { tensors: new Map<string, TorchTensor>(), beside: [] as string[] };
  const metadata: [string, string][] = [];
  const seen = new Set<object>();

  const walk = (value: unknown, name: string, depth: number): void => {
    if (value instanceof TorchTensor) {
      const full = name === "" ? BARE : name;
      if (found.tensors.has(full)) {
        throw new UserError(`${fileName} has two tensors of the name "${shown(full)}"`);
      }
      found.tensors.set(full, value);
      return;
    }
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof PickleObject && isUnreadTensor(value)) {
      throw new UserError(
        `${fileName}: the tensor "${shown(name)}" is made by ${shown(value.type.fullName)}, which is not read: store it as an ordinary tensor`,
      );
    }
    if (depth >= DEEPEST) throw new UserError(`${fileName} is nested more than ${DEEPEST} deep`);
    for (const [key, item] of children(value)) {
      const path = key.startsWith("[") || name === "" ? name + key : `${name}.${key}`;
      if (path.length > LONGEST_NAME) {
        throw new UserError(
          `${fileName} has a name of more than ${LONGEST_NAME} characters: ${shown(path, 80)}`,
        );
      }
      walk(item, path, depth + 1);
    }
  };

  const state = root instanceof Map ? (root as Map<unknown, unknown>).get("state_dict") : undefined;
  if (state instanceof Map) {
    walk(state, "", 0);
    for (const [key, value] of root as Map<unknown, unknown>) {
      if (value === state || typeof key !== "string") continue;
      if (["string", "number", "bigint", "boolean"].includes(typeof value))
        metadata.push([key, String(value)]);
      else if (value !== null) found.beside.push(key);
    }
  } else {
    walk(root, "", 0);
  }
  return { ...found, metadata: Object.fromEntries(metadata) };
}

/** The named parts of a value. */
function children(value: object): Iterable<[string, unknown]> {
  if (value instanceof Map) return mapEntries(value);
  if (Array.isArray(value)) return value.map((item, i) => [`[${i}]`, item]);
  if (!(value instanceof PickleObject)) return [];
  // Objects with slots have a pair of states.
  const state = Array.isArray(value.state) ? value.state[0] : value.state;
  if (!(state instanceof Map)) return mapEntries(value.items);
  const module = moduleParts(state as Map<unknown, unknown>);
  return module ?? mapEntries(state);
}

/** Parameters, buffers and children of a pickled `torch.nn.Module`, by the names of its state dict; null if it is none. */
function moduleParts(state: Map<unknown, unknown>): [string, unknown][] | null {
  const [parameters, buffers, modules] = ["_parameters", "_buffers", "_modules"].map((key) => state.get(key));
  if (!(parameters instanceof Map && modules instanceof Map)) return null;
  const hidden = state.get("_non_persistent_buffers_set");
  const parts = mapEntries(parameters);
  for (const part of buffers instanceof Map ? mapEntries(buffers) : []) {
    if (!(hidden instanceof Set && hidden.has(part[0]))) parts.push(part);
  }
  return [...parts, ...mapEntries(modules)];
}

function mapEntries(map: ReadonlyMap<unknown, unknown>): [string, unknown][] {
  return [...map].map(([key, value], i) => [keyText(key, i), value]);
}

function keyText(key: unknown, place: number): string {
  if (key instanceof PickleClass) return key.fullName;
  return ["string", "number", "bigint", "boolean"].includes(typeof key) ? String(key) : `(key ${place})`;
}
