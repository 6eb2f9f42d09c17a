/** WGSL errors as sentences. A module of its own that is loaded when a kernel does not compile. */

import type { Kernel } from "./kernel.js";

/** The frame that naga draws around a mistake, its prefix, and the ends of lines: what is left is a sentence. */
const decoration = /^\s*Shader.*?error:|(.*[┌│].*|\s)+/g;

/**
 * Returns the WGSL errors of a module as ``shaders/file.wgsl:line: message, at `code` ``. The code gives the place in the line:
 * columns differ from those of the file, since the build step removes blanks.
 */
export async function compilationErrors(
  { spec }: Kernel,
  code: string,
  module: GPUShaderModule,
): Promise<string[]> {
  const lines = code.split("\n");
  const information = await module.getCompilationInfo();
  return information.messages
    .filter(({ type }) => type === "error")
    .map(({ lineNum, linePos, message }) => {
      const found = (lines[lineNum - 1] ?? "").slice(linePos - 1, linePos + 39).trim();
      const text = message.replace(decoration, " ").trim();
      return `${spec.file}:${lineNum}: ${text}${found && `, at \`${found}\``}`;
    });
}
