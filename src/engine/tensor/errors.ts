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

/** A tensor was used after its scope ended or after `dispose()`. */
export class UseAfterFreeError extends Error {
  constructor(label: string, shape: readonly number[]) {
    super(
      `tensor ${label} [${shape.join(", ")}] was freed; keep() it or return it from the scope to use it later`,
    );
    this.name = "UseAfterFreeError";
  }
}

/** A gradient that the tape cannot give: nothing requires one, the tape is used up, or a saved tensor was changed in place. */
export class AutogradError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
    this.name = "AutogradError";
  }
}
