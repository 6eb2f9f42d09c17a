/** Ranks over message ports: in one thread and in worker threads. */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import t from "tap";
import { gatherNumbers, shareJson, single } from "../../dist/training/collective.js";
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
