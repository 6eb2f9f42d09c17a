#!/usr/bin/env node
/** `kernel-types.js FILE.wgsl …`: writes the TypeScript types of own kernels beside their WGSL, `saxpy.kernels.ts` of `saxpy.wgsl`. */

import { commandLine, runCommand } from "./cli/options.js";
import { say } from "./cli/terminal.js";
import { kernelTypes } from "./engine/ops/wgsl.js";
import { UserError } from "./platform/errors.js";
import { nodePlatform } from "./platform/node.js";

const { files } = nodePlatform;

async function main(): Promise<void> {
  const { args } = commandLine(
    "node dist/kernel-types.js",
    "Writes TypeScript types of the kernels in WGSL files, beside each file.",
  )
    .argument("<files...>", "WGSL files")
    .parse();
  for (const path of args) {
    if (!path.endsWith(".wgsl"))
      throw new UserError(`${path} is no WGSL file: its name should end in .wgsl`, 2);
    const target = path.replace(/\.wgsl$/, ".kernels.ts");
    await files.write(target, kernelTypes(await files.readText(path), path));
    say(target);
  }
}

await runCommand(main);
