/** MPI through koffi, under each launcher of this machine. */

import t from "tap";
import { launched } from "../../dist/platform/mpi.js";
import { launch, launchers } from "./launch.js";

const mpi = JSON.stringify(new URL("../../dist/platform/mpi.js", import.meta.url).href);
const program = (body: string) => [
  "--input-type=module",
  "-e",
  `import { writeSync } from "node:fs";
  import { Mpi } from ${mpi};
  const told = (value) => writeSync(1, JSON.stringify(value) + "\\n");
  try { const mpi = await Mpi.start(); ${body} }
  catch (error) { told({ error: error.message }); process.exitCode = 1; }`,
];
const lines = (output: string) =>
  output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

for (const launcher of launchers) {
  t.test(`${launcher.name}: sums, maxima, copies and a barrier over three ranks`, async (t) => {
    const { ended } = launch(
      launcher,
      3,
      program(`
        const sum = Float32Array.from({ length: 1000 }, (_, i) => i + mpi.rank);
        const most = Float64Array.of(mpi.rank, -mpi.rank);
        const bytes = Uint8Array.of(mpi.rank + 7, 5);
        // In flight together: they run in order.
        await Promise.all([mpi.allReduce(sum), mpi.allReduce(most, "max"), mpi.broadcast(bytes)]);
        const parts = Uint8Array.of(1, 2, 3).map((part) => 10 * mpi.rank + part);
        await mpi.exchange(parts);
        const exchanged = [...parts];
        await mpi.gather(parts);
        const began = performance.now();
        if (mpi.rank === 1) await new Promise((resolve) => setTimeout(resolve, 300));
        await mpi.barrier();
        const waited = mpi.rank === 1 || performance.now() - began > 100;
        const local = await mpi.localRank();
        told({ rank: mpi.rank, size: mpi.size, sum: [...sum.slice(0, 2), sum[999]], most: [...most], bytes: [...bytes], exchanged, gathered: [...parts], local, waited });
        await mpi.finish();
      `),
    );
    const { code, output, errors } = await ended;
    t.equal(code, 0, errors);
    const told = lines(output).sort((a, b) => Number(a.rank) - Number(b.rank));
    t.same(
      told,
      [0, 1, 2].map((rank) => ({
        rank,
        size: 3,
        sum: [3, 6, 3000],
        most: [2, 0],
        bytes: [7, 5],
        exchanged: [rank + 1, rank + 11, rank + 21],
        gathered: [1, 12, 23],
        local: rank,
        waited: true,
      })),
    );
  });

  t.test(`${launcher.name}: a rank that ends without a word ends all`, async (t) => {
    const body = `if (mpi.rank === 1) process.exit(0);
      await mpi.allReduce(new Float32Array(8)); told({ rank: mpi.rank });`;
    const { code, output, ms } = await launch(launcher, 2, program(body), { limit: 60 }).ended;
    t.not(code, 0);
    t.same(lines(output), [], "nobody got a sum");
    t.ok(ms < 30_000, `after ${Math.round(ms)} ms`);
  });
}

t.test("without MPI, one sentence says what to install", async (t) => {
  const { spawnSync } = await import("node:child_process");
  const run = (env: Record<string, string>, before = "") =>
    spawnSync(process.execPath, [...program("")].with(-1, before + program("").at(-1)!), {
      encoding: "utf8",
      env: { ...process.env, ...env },
    }).stdout;
  t.match(run({ MCD_MPI: "libnothing.so" }), /MCD_MPI=libnothing.so is no MPI library that loads here/);
});

t.test("the environment of launchers", async (t) => {
  t.equal(launched({}), null, "none");
  t.same(launched({ OMPI_COMM_WORLD_SIZE: "4" }), { family: "Open MPI", size: 4 });
  t.same(launched({ PMI_SIZE: "2" }), { family: "MPICH", size: 2 });
  t.same(launched({ PMIX_RANK: "0", SLURM_STEP_NUM_TASKS: "8" }), { family: null, size: 8 });
  t.same(launched({ PMIX_RANK: "0" }), { family: null, size: null }, "its size is known to MPI");
  t.equal(launched({ OMPI_COMM_WORLD_SIZE: "1" }), null, "one process trains alone");
});
