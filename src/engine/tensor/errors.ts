/** Mistakes in the use of tensors. Each message names the op and the tensors. */

export class ShapeError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
    this.name = "ShapeError";
  }
}

/** What is given to an op is no tensor, of another element type, or of another `Gpu`. */
export class ArgumentError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
    this.name = "ArgumentError";
  }
}

export class UseAfterFreeError extends Error {
  constructor(label: string, shape: readonly number[]) {
    super(
      `tensor ${label} [${shape.join(", ")}] was freed; keep() it or return it from the scope to use it later`,
    );
    this.name = "UseAfterFreeError";
  }
}

export class AutogradError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
    this.name = "AutogradError";
  }
}
