/**
 * Waits in browsers that look for finished work on a slow tick. Firefox does so every 100 ms while nothing is submitted, and at
 * every submission: submitting nothing makes it look.
 */

/** Milliseconds of a wait for nearly no work from which on a device is slow to tell. */
const slow = 20;
/** Milliseconds between two submissions of nothing. */
const pause = 2;

/**
 * Measures how long the device takes to tell that work is done. Returns `rest` for `Gpu.from(device, { rest })` where that is
 * long: it submits nothing again and again while a promise is pending. Else returns undefined.
 */
export async function promptWaits(
  device: GPUDevice,
): Promise<((promise: Promise<unknown>) => void) | undefined> {
  const { queue } = device;
  const buffer = device.createBuffer({ label: "mcd wait", size: 16, usage: GPUBufferUsage.COPY_DST });
  let longest = 0;
  // Work may end just before a tick: two waits in a row hardly do.
  for (let i = 0; i < 2 && longest < slow; i++) {
    const encoder = device.createCommandEncoder({ label: "mcd wait" });
    encoder.clearBuffer(buffer);
    const began = performance.now();
    queue.submit([encoder.finish()]);
    await queue.onSubmittedWorkDone();
    longest = performance.now() - began;
  }
  buffer.destroy();
  if (longest < slow) return undefined;
  let pending = 0;
  let turning = false;
  const turn = () => {
    turning = pending > 0;
    if (!turning) return;
    queue.submit([]);
    setTimeout(turn, pause);
  };
  return (promise) => {
    const end = () => {
      pending--;
    };
    pending++;
    promise.then(end, end);
    if (turning) return;
    turning = true;
    setTimeout(turn, pause);
  };
}
