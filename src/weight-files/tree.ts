/** The tensors of a file as a tree of the parts of their names, with totals. */

import { formatBytes } from "../engine/gpu/errors.js";
import type { FileTensor } from "./weight-file.js";

/** What is shown of a tensor. */
export type ListedTensor = Pick<FileTensor, "name" | "dtype" | "shape" | "size" | "bytes">;

/** Sums over tensors. */
export interface Totals {
  tensors: number;
  values: number;
  bytes: number;
}

/** Parts of a name that become levels; the rest of a longer name stays together. */
const MOST_LEVELS = 32;

/** A part of names. A tensor and a group may have the same name. */
interface Node {
  tensor?: ListedTensor;
  readonly children: Map<string, Node>;
}

/** Sums over tensors. */
export function totalsOf(tensors: Iterable<ListedTensor>): Totals {
  const totals = { tensors: 0, values: 0, bytes: 0 };
  for (const { size, bytes } of tensors) {
    totals.tensors++;
    totals.values += size;
    totals.bytes += bytes;
  }
  return totals;
}

/** "3 tensors, 1,200 values, 4.69 KiB". */
export function totalsText({ tensors, values, bytes }: Totals): string {
  const count = (number: number, thing: string) =>
    `${number.toLocaleString("en-US")} ${thing}${number === 1 ? "" : "s"}`;
  return `${count(tensors, "tensor")}, ${count(values, "value")}, ${formatBytes(bytes)}`;
}

/**
 * One line a tensor (name, type, shape, size) and one a group (name, totals), indented by two spaces a level. Groups at `depth` levels
 * are not opened. A group with a single part has both names in one line.
 */
export function treeLines(tensors: Iterable<ListedTensor>, depth = Number.POSITIVE_INFINITY): string[] {
  const lines: string[] = [];
  const list = (node: Node, level: number): void => {
    for (const [part, child] of node.children) {
      const [name, inner] = joined(part, child);
      const label = `${"  ".repeat(level)}${name}`;
      const { tensor } = inner;
      if (tensor)
        lines.push(`${label}  ${tensor.dtype} [${tensor.shape.join(", ")}]  ${formatBytes(tensor.bytes)}`);
      if (inner.children.size === 0) continue;
      lines.push(`${label}  ${totalsText(totalsOf(within(inner)))}`);
      if (level + 1 < depth) list(inner, level + 1);
    }
  };
  list(grow(tensors), 0);
  return lines;
}

function grow(tensors: Iterable<ListedTensor>): Node {
  const root: Node = { children: new Map() };
  for (const tensor of tensors) {
    let node = root;
    for (const part of partsOf(tensor.name)) {
      let next = node.children.get(part);
      if (!next) {
        next = { children: new Map() };
        node.children.set(part, next);
      }
      node = next;
    }
    node.tensor = tensor;
  }
  return root;
}

function partsOf(name: string): string[] {
  const parts = name.split(".", MOST_LEVELS);
  const kept = parts.join(".").length;
  return kept < name.length ? [...parts, name.slice(kept + 1)] : parts;
}

/** A chain of groups with one part each, as one. */
function joined(name: string, node: Node): [name: string, node: Node] {
  if (node.tensor || node.children.size !== 1) return [name, node];
  const [[part, child]] = [...node.children] as [[string, Node]];
  return joined(`${name}.${part}`, child);
}

/** The tensors below a node, its own left out. */
function* within(node: Node): Iterable<ListedTensor> {
  for (const child of node.children.values()) {
    if (child.tensor) yield child.tensor;
    yield* within(child);
  }
}
