/** `npm run programs`: random programs from any seeds. */

import { commandLine, integerOption, openGpu, runCommand } from "../../dist/cli/options.js";
import { poison } from "../../dist/engine/gpu/poison.js";
import { compare } from "./compare.js";
import { generate } from "./generate.js";
import { codeOf, scriptOf } from "./program.js";
import { shrink } from "./shrink.js";

await runCommand(async () => {
  const command = commandLine(
    "npm run programs --",
    "Random programs over the engine's ops, forward and backward, against float64. A failing one is made as small as possible and printed as a script. The exit status is 1 if any fails.",
  )
    .option("--seed <n>", "the first seed; each program has the next", integerOption(0), 0)
    .option("--count <n>", "how many programs", integerOption(0), 1000)
    .option("--stop <n>", "give up after so many failures", integerOption(0), 5)
    .option("--adapter <name>", "part of the adapter's name")
    .option("--print", "print every program before it runs", false)
    .parse();
  const options = command.opts<{
    seed: number;
    count: number;
    stop: number;
    adapter?: string;
    print: boolean;
  }>();
  const gpu = await openGpu(options.adapter, true, null);
  poison(gpu);
  const start = performance.now();
  let failures = 0;
  let most = 0;
  let ran = 0;
  for (let seed = options.seed; seed < options.seed + options.count; seed++) {
    const program = generate(seed);
    if (options.print) console.log(`// program ${seed}\n${codeOf(program)}\n`);
    const failure = await compare(gpu, program, (share) => {
      if (share <= 1) most = Math.max(most, share);
    });
    ran++;
    if (failure) {
      failures++;
      console.log(`\n// program ${seed} fails: ${failure.message}`);
      const small = await shrink(
        program,
        async (other) => (await compare(gpu, other))?.kind === failure.kind,
      );
      const last = await compare(gpu, small);
      console.log(`${scriptOf(small)}\n// ${(last ?? failure).message}\n`);
      if (failures >= options.stop) break;
    }
    if (ran % 500 === 0)
      console.log(
        `${ran} programs, ${failures} failed, ${((performance.now() - start) / 1000).toFixed(0)} s`,
      );
  }
  console.log(
    `${ran} programs from seed ${options.seed}, ${failures} failed; the others used at most ${(100 * most).toFixed(0)} % of the tolerance; ${((performance.now() - start) / 1000).toFixed(0)} s`,
  );
  await gpu.idle();
  if (failures > 0) process.exitCode = 1;
});
