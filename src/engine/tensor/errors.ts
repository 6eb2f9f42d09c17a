/** Mistakes in the use of tensors. Each message names the op and the tensors. */

class OpError extends Error {
  constructor(op: string, detail: string) {
    super(`${op}: ${detail}`);
  }
}

/** Shapes or axes that an op cannot take. */
export class ShapeError extends OpError {
  override name = "ShapeError";
}

/** An argument of an op is not a tensor, has the wrong element type, or belongs to another `Gpu`. */
export class ArgumentError extends OpError {
  override name = "ArgumentError";
}

/** The tape cannot give a gradient: nothing requires one, the tape is used up, or a saved tensor was changed in place. */
export class AutogradError extends OpError {
  override name = "AutogradError";
}

/** A tensor was used after its scope ended or after `dispose()`. */
export class UseAfterFreeError extends Error {
  override name = "UseAfterFreeError";

  constructor(label: string, shape: readonly number[]) {
    super(
      `tensor ${label} [${shape.join(", ")}] was freed; keep() it or return it from the scope to use it later`,
    );
  }
}
