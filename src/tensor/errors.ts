/** Mistakes in the use of tensors. Each message names the op and the tensors. */

export class ShapeError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
    this.name = "ShapeError";
  }
}

export class UseAfterFreeError extends Error {
  constructor(label: string, shape: readonly number[]) {
    super(`tensor ${label} [${shape.join(", ")}] was freed; keep() it or return it from the scope to use it later`);
    this.name = "UseAfterFreeError";
  }
}

export class AutogradError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
    this.name = "AutogradError";
  }
}
