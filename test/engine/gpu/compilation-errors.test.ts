/** Messages of compilers as sentences with a place in the file of shaders/. */

import { compilationErrors } from "../../../dist/engine/gpu/compilation-errors.js";
import type { Kernel } from "../../../dist/engine/gpu/kernel.js";
import { test } from "../../harness.js";

const code = "// a comment\n@compute @workgroup_size(1) fn main() { let x = y; }\n";

/** What `compilationErrors` returns for a message at the `y` of `code`. */
function told(message: string): Promise<string[]> {
  const found = { type: "error", lineNum: 2, linePos: 49, message };
  const module = { getCompilationInfo: async () => ({ messages: [found] }) } as unknown as GPUShaderModule;
  const kernel = { spec: { file: "own.wgsl" } } as Kernel;
  return compilationErrors(kernel, code, module);
}

test("a message of several lines is one", async (t) => {
  const place = "own.wgsl:2";
  const naga =
    "\nShader 'mcd k' parsing error: no definition in scope for identifier: `y`\n  ┌─ wgsl:2:49\n  │\n2 │ @compute fn main() { let x = y; }\n  │       ^ unknown identifier\n\n";
  t.same(
    await told(naga),
    [`${place}: no definition in scope for identifier: \`y\`, at \`y; }\``],
    "naga's frame and prefix are left out",
  );
  t.same(
    await told("unresolved value 'y'\n\ndid you mean 'x'?"),
    [`${place}: unresolved value 'y' did you mean 'x'?, at \`y; }\``],
    "Dawn's hint stays",
  );
});
