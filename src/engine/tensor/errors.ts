/** Mistakes in the use of tensors. Each message names the op and the tensors. */

export class ShapeError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
    this.name = "ShapeError";
  }
}

/** An argument of an op is not a tensor, has the wrong element type, or belongs to another `Gpu`. */
export class ArgumentError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
    this.name = "ArgumentError";
  }
}

/** A tensor was used after its scope ended or after `dispose()`. */
export class UseAfterFreeError extends Error {
  constructor(label: string, shape: readonly number[]) {
    super(
      `tensor ${label} [${shape.join(", ")}] was freed; keep() it or return it from the scope to use it later`,
    );
    this.name = "UseAfterFreeError";
  }
}

/** The tape cannot give a gradient: nothing requires one, the tape is used up, or a saved tensor was changed in place. */
export class AutogradError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
    this.name = "AutogradError";
  }
}
