/**
 * Waits without keeping a core busy. Dawn's bindings for Node poll continuously while a promise is pending; on a software
 * adapter, that takes a core away from the work being waited for.
 */

/** Milliseconds of a wait before the first nap: napping does not pay for shorter waits. */
const patience = 5;
/** Milliseconds per nap, the most by which a wait gets longer. */
const nap = 0.25;

const cell = new Int32Array(new SharedArrayBuffer(4));
let pending = 0;
let began = 0;
let turning = false;

/**
 * Makes this thread sleep in short naps until `promise` is settled. Serves other events between naps. Node only: a page's
 * main thread may not sleep.
 */
export function restUntil(promise: Promise<unknown>): void {
  pending++;
  const leave = () => {
    pending--;
  };
  promise.then(leave, leave);
  if (pending === 1) began = performance.now();
  if (turning) return;
  turning = true;
  setImmediate(turn);
}

function turn(): void {
  if (pending === 0) {
    turning = false;
    return;
  }
  if (performance.now() - began > patience) Atomics.wait(cell, 0, 0, nap);
  setImmediate(turn);
}
