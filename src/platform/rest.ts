/**
 * Waiting without keeping a core busy. Dawn's bindings for Node look for news without a pause as long as a promise is
 * pending; on a software adapter that takes a core from the very work that is waited for.
 */

/** Waits shorter than this are left alone: they end sooner than a nap would pay. */
const patience = 5;
/** Milliseconds of a nap, which is as much as a wait may get longer by. */
const nap = 0.25;

const cell = new Int32Array(new SharedArrayBuffer(4));
let pending = 0;
let began = 0;
let turning = false;

/**
 * Lets this thread sleep in small pieces until `promise` is settled. Other events are served between the pieces. For
 * Node only: a page's main thread may not sleep.
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
