/**
 * Forwards the errors that a device reports asynchronously to every `Gpu` on it. Each device has one event listener and one
 * handler on `device.lost`, however many `Gpu` objects are created and disposed of. A pending promise keeps its handlers alive:
 * a `Gpu` with its own handler on `device.lost` would live as long as the device.
 */

import { DeviceLostError, type GpuError, GpuValidationError } from "./errors.js";

type Listener = (error: GpuError) => void;

interface Watch {
  readonly listeners: Set<Listener>;
  lost?: DeviceLostError;
}

const watches = new WeakMap<GPUDevice, Watch>();

/**
 * Calls `listener` with every such error from now on, and asynchronously if the device is already lost. Returns a function that
 * removes the listener; after that the device holds no reference to it.
 */
export function listenToDevice(device: GPUDevice, listener: Listener): () => void {
  const watch = watches.get(device) ?? watchDevice(device);
  const { listeners, lost } = watch;
  if (lost) queueMicrotask(() => listener(lost));
  else listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Watches a device. No closure here may use `device`: Dawn holds the listener, which would keep the device alive. */
function watchDevice(device: GPUDevice): Watch {
  const listeners = new Set<Listener>();
  const watch: Watch = { listeners };
  watches.set(device, watch);
  const tell = (error: GpuError) => {
    for (const listener of listeners) listener(error);
  };
  // Errors of calls outside of any error scope reach the whole device; errors of the engine name one of its objects.
  device.addEventListener("uncapturederror", (event) => {
    const { message } = event.error;
    if (!/["']mcd /.test(message)) return; // Dawn and wgpu quote labels differently
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
