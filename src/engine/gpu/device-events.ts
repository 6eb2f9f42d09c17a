/**
 * The errors that a device tells of its own accord, handed on to every `Gpu` on it: one listener and one look at `device.lost`
 * a device, however many come and go. A promise keeps what waits for it: a `Gpu` that waited by itself would live as long as
 * the device.
 */

import { DeviceLostError, type GpuError, GpuValidationError } from "./errors.js";

type Listener = (error: GpuError) => void;

interface Watch {
  readonly listeners: Set<Listener>;
  lost?: DeviceLostError;
}

const watches = new WeakMap<GPUDevice, Watch>();

/**
 * Calls `listener` with every such error from now on, and soon if the device is lost already. Returns a function that ends it,
 * after which nothing of the device refers to the listener.
 */
export function listenToDevice(device: GPUDevice, listener: Listener): () => void {
  const watch = watches.get(device) ?? watchDevice(device);
  const { listeners, lost } = watch;
  if (lost) queueMicrotask(() => listener(lost));
  else listeners.add(listener);
  return () => listeners.delete(listener);
}

/** No closure here may use `device`: Dawn holds the listener, which would hold the device. */
function watchDevice(device: GPUDevice): Watch {
  const listeners = new Set<Listener>();
  const watch: Watch = { listeners };
  watches.set(device, watch);
  const tell = (error: GpuError) => {
    for (const listener of listeners) listener(error);
  };
  // Errors of calls outside of any error scope reach the whole device; those of the engine name one of its objects.
  device.addEventListener("uncapturederror", (event) => {
    const { message } = event.error;
    if (!message.includes('"mcd ')) return;
    event.preventDefault();
    tell(new GpuValidationError(message));
  });
  device.lost.then(({ reason, message }) => {
    watch.lost = new DeviceLostError(reason, message);
    tell(watch.lost);
    listeners.clear();
  });
  return watch;
}
