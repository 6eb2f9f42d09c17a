/**
 * A collective over message ports: ranks in one thread, in worker threads or in a page's workers. Every call goes through a hub,
 * which adds up in the order of the ranks. For tests and for a few ranks; MPI is what scales.
 */

import type { Collective, Reduction } from "../platform/collective.js";

/** The part of a `MessagePort` that is used, the same in pages and in Node. */
export interface CollectivePort {
  /** Sends a copy of the message to the other end. */
  postMessage(message: unknown): void;
  /** Receives the messages of the other end. */
  onmessage: ((event: MessageEvent) => void) | null;
  /** Ends the connection. */
  close(): void;
}

type Numbers = Float32Array | Float64Array;

/** A rank's call. */
type Call =
  | { readonly kind: "allReduce"; readonly data: Numbers; readonly reduction: Reduction }
  | { readonly kind: "broadcast" | "exchange" | "gather"; readonly data: Uint8Array }
  | { readonly kind: "barrier" };

/** The hub's reply: the data for each rank, or what was wrong. */
type Reply = { readonly data: Numbers | Uint8Array | null } | { readonly error: string };

/** Serves the ranks at the other ends of `ports`, port r being that of rank r, until the returned function is called. */
export function serveCollective(ports: readonly CollectivePort[]): () => void {
  const calls: Call[][] = ports.map(() => []);
  const answer = () => {
    while (calls.every((own) => own.length > 0)) {
      const together = calls.map((own) => own.shift()!);
      for (const [rank, port] of ports.entries()) port.postMessage(replyTo(together, rank));
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

/** What a rank gets for the calls of all. */
function replyTo(calls: readonly Call[], rank: number): Reply {
  const [first] = calls;
  const different = calls.findIndex((call) => described(call) !== described(first!));
  if (different > 0)
    return { error: `rank 0 calls ${described(first!)}, rank ${different} ${described(calls[different]!)}` };
  if (first!.kind === "barrier") return { data: null };
  if (first!.kind === "broadcast") return { data: first!.data };
  if (first!.kind === "allReduce")
    return { data: reduced(calls as (typeof first & { kind: "allReduce" })[], first!.reduction) };
  const length = first!.data.length / calls.length;
  const all = new Uint8Array(first!.data.length);
  calls.forEach((call, from) => {
    const at = (first!.kind === "exchange" ? rank : from) * length;
    all.set((call as typeof first & { data: Uint8Array }).data.subarray(at, at + length), from * length);
  });
  return { data: all };
}

function reduced(calls: readonly { readonly data: Numbers }[], reduction: Reduction): Numbers {
  const total = calls[0]!.data.slice();
  for (const { data } of calls.slice(1))
    for (let i = 0; i < total.length; i++)
      total[i] = reduction === "max" ? Math.max(total[i]!, data[i]!) : total[i]! + data[i]!;
  return total;
}

function described(call: Call): string {
  if (call.kind === "barrier") return "barrier";
  const type = `${call.data.constructor.name} of ${call.data.length}`;
  return call.kind === "allReduce" ? `allReduce (${call.reduction}) of ${type}` : `${call.kind} of ${type}`;
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
  const bytes = (kind: "broadcast" | "exchange" | "gather") => async (data: Uint8Array) => {
    // A message copies the whole buffer behind a view.
    data.set((await call({ kind, data: data.slice() })) as Uint8Array);
  };
  return {
    rank,
    size,
    async allReduce(data, reduction = "sum") {
      data.set((await call({ kind: "allReduce", data: data.slice(), reduction })) as Numbers);
    },
    broadcast: bytes("broadcast"),
    exchange: bytes("exchange"),
    gather: bytes("gather"),
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
