/**
 * What a device tells, handed on to every `Gpu` on it: one listener and one look at `device.lost` a device, however many come
 * and go. A promise keeps what waits for it, so that each `Gpu` with a wait of its own would live as long as the device.
 */

export interface DeviceListener {
  /** The device is gone; also told, soon after, to whoever comes later. */
  lost(information: GPUDeviceLostInfo): void;
  /** An error of a call outside of any error scope. */
  uncaptured(event: GPUUncapturedErrorEvent): void;
}

interface Watched {
  readonly listeners: Set<DeviceListener>;
  readonly onUncaptured: (event: GPUUncapturedErrorEvent) => void;
  lost: GPUDeviceLostInfo | null;
}

const watched = new WeakMap<GPUDevice, Watched>();

/** Calls `listener` from now on; returns a function that ends it, after which nothing of the device refers to it. */
export function listenToDevice(device: GPUDevice, listener: DeviceListener): () => void {
  const watch = watched.get(device) ?? watchDevice(device);
  const { listeners, lost } = watch;
  if (listeners.size === 0) device.addEventListener("uncapturederror", watch.onUncaptured);
  listeners.add(listener);
  if (lost) {
    queueMicrotask(() => {
      if (listeners.has(listener)) listener.lost(lost);
    });
  }
  return () => {
    if (listeners.delete(listener) && listeners.size === 0)
      device.removeEventListener("uncapturederror", watch.onUncaptured);
  };
}

function watchDevice(device: GPUDevice): Watched {
  const listeners = new Set<DeviceListener>();
  const watch: Watched = {
    listeners,
    onUncaptured: (event) => {
      for (const listener of [...listeners]) listener.uncaptured(event);
    },
    lost: null,
  };
  watched.set(device, watch);
  device.lost.then((information) => {
    watch.lost = information;
    for (const listener of [...listeners]) listener.lost(information);
  });
  return watch;
}
