/** Writes the tables of `docs/ops.md` from calls of every op (op-calls.ts) and from the doc comments of the sources. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Gpu } from "../../dist/engine/gpu/gpu.js";
import type { DType, Float } from "../../dist/engine/gpu/kernel.js";
import { backwardFrom } from "../../dist/engine/tensor/autograd.js";
import { fromArray, type Tensor } from "../../dist/engine/tensor/tensor.js";
import { root } from "../mutations/mutation.js";
import { type Door, inputOf, type OpCall, opCalls } from "./op-calls.js";

export const DOCUMENT = "docs/ops.md";

/** What a call shows of an op. */
interface Seen {
  gradient: boolean;
  dtypes: DType[];
  /** Shaders that the call and its gradient run, without the suffixes of their variants. */
  shaders: string[];
}

const dtypes = ["f32", "f16", "u32", "i32"] as const;

/** Runs a call for every element type of its first input. */
async function observe(gpu: Gpu, { shape, call }: OpCall): Promise<Seen> {
  const seen: Seen = { gradient: false, dtypes: [], shaders: [] };
  for (const dtype of dtypes) {
    if (dtype === "f16" && !gpu.has("shader-f16")) continue;
    const x = inputOf(gpu, shape, dtype);
    const shaders = new Set<string>();
    if (dtype === "f32" || dtype === "f16") x.requireGrad();
    gpu.observer = {
      dispatch: ({ pipeline }) => {
        const { file } = pipeline.kernel.spec;
        shaders.add(file.replace(/^.*\/|\.wgsl$/g, "").replace(/-(registers|subgroups?)$/, ""));
      },
    };
    try {
      gpu.scope(() => {
        const y = call(x, gpu);
        if (y?.node) {
          seen.gradient = true;
          const size = y.shape.reduce((product, length) => product * length, 1);
          backwardFrom(y as Tensor<Float>, fromArray(gpu, new Float32Array(size).fill(1), y.shape));
        }
      });
      seen.dtypes.push(dtype);
      if (dtype === "f32" || seen.shaders.length === 0) seen.shaders = [...shaders];
    } catch (error) {
      if (!/takes|is f16|is u32|is i32/.test((error as Error).message)) throw error;
    } finally {
      gpu.observer = null;
      x.grad?.dispose();
      x.dispose();
    }
  }
  await gpu.idle();
  return seen;
}

/** The first sentence of the doc comment of each exported function in `src/engine/ops`, by file and name. */
function sentences(): Map<string, string> {
  const folder = join(root, "src/engine/ops");
  const found = new Map<string, string>();
  for (const file of readdirSync(folder)) {
    const source = readFileSync(join(folder, file), "utf8");
    for (const match of source.matchAll(
      /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport (?:async )?(?:function|const) (\w+)/g,
    )) {
      const text = match[1]!.replace(/\n \* ?/g, " ").trim();
      const [sentence] = /^.*?[.](?= [A-Z]|$)|^.*$/.exec(text)!;
      found.set(`${file} ${match[2]}`, sentence.replace(/[.]$/, ""));
    }
  }
  return found;
}

/** The file that a door takes an op from, and its name there. */
function sourceOf(door: Door, name: string): string {
  const index = readFileSync(
    join(root, door.endsWith("ops") ? "src/ops.ts" : "src/engine/ops/index.ts"),
    "utf8",
  );
  for (const [, names, file] of index.matchAll(
    /export \{([^}]*)\} from "\.\/(?:engine\/ops\/)?([\w-]+)\.js"/g,
  )) {
    for (const part of names!.split(",")) {
      const [original, alias = original] = part.trim().split(" as ");
      if (alias === name) return `${file}.ts ${original}`;
    }
  }
  throw new Error(`${door} does not export ${name}`);
}

/** The tables of both doors, as Markdown. */
export async function opTables(gpu: Gpu): Promise<string> {
  const comments = sentences();
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const lines: string[] = [];
  for (const door of ["mc-diffusion/engine", "mc-diffusion/ops"] as const) {
    lines.push(
      `## \`${door}\``,
      "",
      "| op | | gradient | element types | kernels | test |",
      "| --- | --- | --- | --- | --- | --- |",
    );
    for (const each of opCalls.filter((op) => op.door === door)) {
      const seen = await observe(gpu, each);
      const shaders = seen.shaders.map((name) => `\`${name}\``).join(", ") || "none: a view";
      const about = comments.get(sourceOf(door, each.name)) ?? "";
      lines.push(
        `| \`${each.name}\` | ${cell(about)} | ${seen.gradient ? "yes" : "no"} | ${seen.dtypes.join(", ")} | ${shaders} | [${each.tests.split("/").at(-1)}](../test/${each.tests}) |`,
      );
    }
    lines.push("");
  }
  return lines.join("\n");
}

/** Around the tables of the document. */
export const [BEGIN, END] = ["<!-- tables: written by `npm run ops-table` -->", "<!-- end of tables -->"];
