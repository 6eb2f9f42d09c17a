/** Ranks over message ports: in one thread and in worker threads. */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import t from "tap";
import {
  gatherJson,
  gatherNumbers,
  joinParts,
  OtherRankError,
  ownPart,
  shareJson,
  shareOf,
  single,
} from "../../dist/platform/collective.js";
import { float32ToBfloat16, sumInHalves } from "../../dist/training/half-sums.js";
import {
  type CollectivePort,
  localCollectives,
  serveCollective,
} from "../../dist/training/port-collective.js";

t.test("sums, maxima and copies in one thread", async (t) => {
  const { ranks, close } = localCollectives(3);
  t.teardown(close);
  const sums = ranks.map(({ rank }) => Float32Array.of(rank, 1, 2 ** rank));
  await Promise.all(ranks.map((own, i) => own.allReduce(sums[i]!)));
  for (const sum of sums) t.same([...sum], [3, 3, 7]);
  const most = ranks.map(({ rank }) => Float64Array.of(rank, -rank));
  await Promise.all(ranks.map((own, i) => own.allReduce(most[i]!, "max")));
  for (const each of most) t.same([...each], [2, 0]);
  // A view of a longer buffer: the rest stays.
  const bytes = ranks.map(({ rank }) => new Uint8Array(8).fill(rank + 1));
  await Promise.all(ranks.map((own, i) => own.broadcast(bytes[i]!.subarray(2, 4))));
  t.same([...bytes[2]!], [3, 3, 1, 1, 3, 3, 3, 3]);
  t.same(await Promise.all(ranks.map((own) => shareJson(own, { of: own.rank, é: [] }))), [
    { of: 0, é: [] },
    { of: 0, é: [] },
    { of: 0, é: [] },
  ]);
  for (const all of await Promise.all(ranks.map((own) => gatherNumbers(own, own.rank * 10))))
    t.same([...all], [0, 10, 20]);
});

t.test("exchanges and gathers", async (t) => {
  const { ranks, close } = localCollectives(2);
  t.teardown(close);
  const parts = ranks.map(({ rank }) =>
    Uint8Array.of(10 * rank, 10 * rank + 1, 10 * rank + 2, 10 * rank + 3),
  );
  await Promise.all(ranks.map((own, i) => own.exchange(parts[i]!)));
  t.same(
    parts.map((part) => [...part]),
    [
      [0, 1, 10, 11],
      [2, 3, 12, 13],
    ],
  );
  await Promise.all(ranks.map((own, i) => own.gather(parts[i]!)));
  for (const part of parts) t.same([...part], [0, 1, 12, 13]);
});

t.test("shares, parts and values of all ranks", async (t) => {
  const { ranks, close } = localCollectives(3);
  t.teardown(close);
  t.same(
    ranks.map((own) => shareOf(8, own)),
    [
      { from: 0, to: 2 },
      { from: 2, to: 5 },
      { from: 5, to: 8 },
    ],
  );
  t.same(shareOf(8, single), { from: 0, to: 8 });
  const values = ranks.map(({ rank }) => [null, "ä", { list: [rank, 0.1 + rank] }].slice(0, rank + 1));
  for (const all of await Promise.all(ranks.map((own, i) => gatherJson(own, values[i])))) t.same(all, values);
  for (const type of [Uint32Array, Float32Array, Float64Array]) {
    const numbers = ranks.map(({ rank }) => {
      const own = new type(3);
      own[rank] = 2 ** 24 - 1 - rank;
      return own;
    });
    await Promise.all(ranks.map((own, i) => joinParts(own, numbers[i]!)));
    for (const joined of numbers) t.same([...joined], [16777215, 16777214, 16777213], type.name);
  }
  t.same(await Promise.all(ranks.map((own) => ownPart(own, async () => own.rank))), [0, 1, 2]);
  const outcomes = await Promise.allSettled(
    ranks.map((own) =>
      ownPart(own, async () => {
        if (own.rank > 0) throw new RangeError(`of ${own.rank}`);
      }),
    ),
  );
  const reasons = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as Error);
  t.ok(reasons[0] instanceof OtherRankError && reasons[0].rank === 1, "the first that failed");
  t.same(
    reasons.slice(1).map(({ message }) => message),
    ["of 1", "of 2"],
    "their own errors",
  );
});

t.test("sums in 16 bits", async (t) => {
  const { ranks, close } = localCollectives(3);
  t.teardown(close);
  const values = (rank: number) =>
    Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * (rank + 1)) * 1e-6);
  const exact = Array.from({ length: 1000 }, (_, i) => [0, 1, 2].reduce((sum, r) => sum + values(r)[i]!, 0));
  for (const [transport, bound] of [
    ["bfloat16", 2 ** -8],
    ["float16", 2 ** -11],
  ] as const) {
    const data = ranks.map(({ rank }) => values(rank));
    await Promise.all(ranks.map((own, i) => sumInHalves(own, data[i]!, transport)));
    t.same(data[1], data[0], "the same bits");
    const worst = Math.max(...exact.map((sum, i) => Math.abs(data[0]![i]! - sum)));
    // Four roundings of numbers up to 3e-6.
    t.ok(worst > 0 && worst < 4 * 3e-6 * bound, `${transport}: off by ${worst.toExponential(1)} at most`);
  }
  const nan = ranks.map(({ rank }) => Float32Array.of(1, rank === 1 ? Number.NaN : 1));
  await Promise.all(ranks.map((own, i) => sumInHalves(own, nan[i]!, "float16")));
  t.ok(
    nan.every(([one, other]) => one === 3 && Number.isNaN(other)),
    "NaN stays NaN",
  );
  t.same(
    [...float32ToBfloat16(Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -0, 3.4e38))],
    [0x3f80, 0x3f80, 0x3f82, 0x8000, 0x7f80],
  );
});

t.test("ranks that call different things are told", async (t) => {
  const { ranks, close } = localCollectives(2);
  t.teardown(close);
  const results = await Promise.allSettled([
    ranks[0]!.allReduce(new Float32Array(3)),
    ranks[1]!.allReduce(new Float32Array(4)),
  ]);
  for (const result of results)
    t.match(result, {
      status: "rejected",
      reason: { message: /rank 0 calls allReduce \(sum\) of Float32Array of 3, rank 1 .* of 4/ },
    });
});

t.test("worker threads", async (t) => {
  const module = new URL("../../dist/training/port-collective.js", import.meta.url).href;
  const code = `import { parentPort, workerData } from "node:worker_threads";
    import { portCollective } from ${JSON.stringify(module)};
    const own = portCollective(workerData.port, workerData.rank, 2);
    const data = Float32Array.from({ length: 1000 }, (_, i) => i * (own.rank + 1));
    await own.allReduce(data);
    await own.barrier();
    parentPort.postMessage(data);
    workerData.port.close();`;
  const channels = [0, 1].map(() => new MessageChannel());
  const stop = serveCollective(channels.map(({ port1 }) => port1 as CollectivePort));
  const results = await Promise.all(
    channels.map(async ({ port2 }, rank) => {
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
        workerData: { port: port2, rank },
        transferList: [port2 as never],
      });
      const [data] = (await once(worker, "message")) as [Float32Array];
      return data;
    }),
  );
  stop();
  for (const data of results) t.same([data[1], data[999]], [3, 2997]);
});

t.test("alone, nothing changes", async (t) => {
  const data = Float32Array.of(1, 2);
  await single.allReduce(data);
  await single.barrier();
  t.same([...data], [1, 2]);
  t.equal(await shareJson(single, data), data);
});
