/** Errors on the GPU, as types that name the kernel and the tensor. */

export class GpuError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** WebGPU refused a call: a kernel that does not compile, a binding that does not fit. */
export class GpuValidationError extends GpuError {}

/** The device lacks a required optional feature of WebGPU. */
export class MissingFeatureError extends GpuError {
  constructor(what: string, feature: string, device: string) {
    super(`${what} needs the WebGPU feature ${feature}, which ${device} does not have`);
  }
}

/** The allocation of a buffer failed. Names the tensor, the bytes requested, and the labels that hold the most memory. */
export class OutOfMemoryError extends GpuError {
  readonly label: string;
  readonly bytes: number;
  constructor(
    label: string,
    bytes: number,
    reason: string,
    largest: readonly [label: string, bytes: number][],
  ) {
    const holders = largest.map(([name, size]) => `${name} ${formatBytes(size)}`).join(", ");
    super(
      `out of GPU memory: ${label} asked for ${formatBytes(bytes)}; ${reason}${holders ? `; most is held by ${holders}` : ""}`,
    );
    this.label = label;
    this.bytes = bytes;
  }
}

/** The device is lost (driver reset, `device.destroy()`, a closed page). Nothing on it can be read any more. */
export class DeviceLostError extends GpuError {
  readonly reason: string;
  constructor(reason: string, detail: string) {
    super(`the GPU device was lost (${reason})${detail ? `: ${detail}` : ""}`);
    this.reason = reason;
  }
}

/** A kernel wrote NaN or infinity; found by `checkFinite`. */
export class NonFiniteError extends GpuError {
  readonly kernel: string;
  readonly tensor: string;
  constructor(kernel: string, tensor: string, count: number) {
    super(
      `${kernel} wrote ${count} NaN or infinite ${count === 1 ? "value" : "values"} into ${tensor}; it is the first kernel to do so`,
    );
    this.kernel = kernel;
    this.tensor = tensor;
  }
}

/** An id or step that an op cannot look up; found by `checkFinite`. */
export class IdError extends GpuError {
  readonly op: string;
  readonly tensor: string;
  readonly value: number;
  constructor(op: string, tensor: string, element: number, value: number, range: string) {
    super(`${op}: element ${element} of ${tensor} is ${value}, not ${range}`);
    this.op = op;
    this.tensor = tensor;
    this.value = value;
  }
}

/** Formats a size for messages: 1536 is "1.5 KiB", with units up to GiB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}
