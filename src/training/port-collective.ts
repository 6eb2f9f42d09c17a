/**
 * A collective over message ports: ranks in one thread, in worker threads or in a page's workers. Every call goes through a hub,
 * which adds up in the order of the ranks. For tests and for a few ranks; MPI is what scales.
 */

import type { Collective, Reduction } from "./collective.js";

/** The part of a `MessagePort` that is used, the same in pages and in Node. */
export interface CollectivePort {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
  close(): void;
}

type Numbers = Float32Array | Float64Array;

/** A rank's call. */
type Call =
  | { readonly kind: "allReduce"; readonly data: Numbers; readonly reduction: Reduction }
  | { readonly kind: "broadcast"; readonly data: Uint8Array }
  | { readonly kind: "barrier" };

/** The hub's reply: the data for each rank, or what was wrong. */
type Reply = { readonly data: Numbers | Uint8Array | null } | { readonly error: string };

/** Serves the ranks at the other ends of `ports`, port r being that of rank r, until the returned function is called. */
export function serveCollective(ports: readonly CollectivePort[]): () => void {
  const calls: Call[][] = ports.map(() => []);
  const answer = () => {
    while (calls.every((own) => own.length > 0)) {
      const reply = replyTo(calls.map((own) => own.shift()!));
      for (const port of ports) port.postMessage(reply);
    }
  };
  ports.forEach((port, rank) => {
    port.onmessage = ({ data }) => {
      calls[rank]!.push(data as Call);
      answer();
    };
  });
  return () => {
    for (const port of ports) port.close();
  };
}

function replyTo(calls: readonly Call[]): Reply {
  const [first] = calls;
  const different = calls.findIndex((call) => described(call) !== described(first!));
  if (different > 0)
    return { error: `rank 0 calls ${described(first!)}, rank ${different} ${described(calls[different]!)}` };
  if (first!.kind !== "allReduce") return { data: first!.kind === "barrier" ? null : first!.data };
  const total = first!.data;
  for (const { data } of calls.slice(1) as (typeof first & object)[]) {
    for (let i = 0; i < total.length; i++)
      total[i] = first!.reduction === "max" ? Math.max(total[i]!, data[i]!) : total[i]! + data[i]!;
  }
  return { data: total };
}

function described(call: Call): string {
  if (call.kind === "barrier") return "barrier";
  const type = `${call.data.constructor.name} of ${call.data.length}`;
  return call.kind === "allReduce" ? `allReduce (${call.reduction}) of ${type}` : `broadcast of ${type}`;
}

/** The collective of rank `rank` of `size`; its hub is at the other end of `port`. */
export function portCollective(port: CollectivePort, rank: number, size: number): Collective {
  const waiting: ((reply: Reply) => void)[] = [];
  port.onmessage = ({ data }) => waiting.shift()?.(data as Reply);
  const call = (message: Call): Promise<Numbers | Uint8Array | null> =>
    new Promise((resolve, reject) => {
      waiting.push((reply) => ("error" in reply ? reject(new Error(reply.error)) : resolve(reply.data)));
      port.postMessage(message);
    });
  return {
    rank,
    size,
    async allReduce(data, reduction = "sum") {
      // A message copies the whole buffer behind a view.
      data.set((await call({ kind: "allReduce", data: data.slice(), reduction })) as Numbers);
    },
    async broadcast(data) {
      data.set((await call({ kind: "broadcast", data: data.slice() })) as Uint8Array);
    },
    async barrier() {
      await call({ kind: "barrier" });
    },
  };
}

/** `size` ranks in this thread. `close` lets the process end. */
export function localCollectives(size: number): { ranks: Collective[]; close: () => void } {
  const channels = Array.from({ length: size }, () => new MessageChannel());
  const stop = serveCollective(channels.map(({ port1 }) => port1 as CollectivePort));
  const ranks = channels.map(({ port2 }, rank) => portCollective(port2 as CollectivePort, rank, size));
  return { ranks, close: stop };
}
