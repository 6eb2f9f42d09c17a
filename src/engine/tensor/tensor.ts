/** Tensors: a shape, an element type and strides over a piece of GPU memory. */

import type { Gpu } from "../gpu/gpu.js";
import { bytesPerElement, type DType, type Float } from "../gpu/kernel.js";
import type { Bindable } from "../gpu/kernel-arguments.js";
import { borrowedId, Storage, type Watch } from "../gpu/pool.js";
import type { Region } from "../gpu/region.js";
import type { Scoped } from "../gpu/scopes.js";
import { ArgumentError, ShapeError, UseAfterFreeError } from "./errors.js";
import { float16ToFloat32, float32ToFloat16 } from "./float16.js";
import { copyStrided, denseStrides, isDense, sizeOf } from "./strided.js";
import { type BackwardFunction, type GradNode, record } from "./tape.js";

/** The arrays into which elements of each type are read; float16 is widened, which is exact. */
export interface TypedArrays {
  f32: Float32Array;
  f16: Float32Array;
  u32: Uint32Array;
  i32: Int32Array;
}

/**
 * An n-dimensional array on the device: a shape and strides over a buffer of the pool. Views share the buffer.
 */
export class Tensor<D extends DType = "f32"> implements Bindable<D>, Scoped {
  readonly gpu: Gpu;
  readonly dtype: D;
  readonly shape: readonly number[];
  /** Elements to the next index of each axis. */
  readonly strides: readonly number[];
  /** Elements from the start of the storage. Changes only in `moveTo`. */
  offset: number;
  readonly size: number;
  label: string;
  /** Whether the tensor is a leaf that requires a gradient (a parameter). */
  isLeafWithGrad = false;
  /** The gradient of a leaf after `backward`. */
  grad: Tensor | null = null;
  /** False while `grad` holds a stale value that the next backward overwrites instead of adding to it. */
  gradIsCurrent = false;
  /** Of a module's parameter: tells whether its values were ever set. */
  watch: Watch | null = null;
  kept = false;
  #memory: Storage | null;
  #madeBy: GradNode | null = null;

  /** Takes over one reference to `storage`. Called by `empty` and related functions and by views; ops do not call it. */
  constructor(
    gpu: Gpu,
    storage: Storage,
    dtype: D,
    shape: readonly number[],
    strides: readonly number[],
    offset: number,
    label: string,
  ) {
    this.gpu = gpu;
    this.#memory = storage;
    this.dtype = dtype;
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
    this.size = sizeOf(shape);
    this.label = label;
  }

  /** The memory of the tensor. Throws `UseAfterFreeError` after it was freed. */
  get storage(): Storage {
    if (!this.#memory) throw new UseAfterFreeError(this.label, this.shape);
    return this.#memory;
  }

  /** Whether the tensor was freed. */
  get disposed(): boolean {
    return this.#memory === null;
  }

  /** The op on the tape that made this tensor. It stays there until all tensors that depend on it are freed. */
  get node(): GradNode | null {
    return this.#madeBy;
  }

  /** Retains the new op and releases the previous one. */
  set node(node: GradNode | null) {
    node?.retain();
    this.#madeBy?.release();
    this.#madeBy = node;
  }

  /** The bytes of the storage that the elements occupy. */
  get region(): Region {
    const elementBytes = bytesPerElement[this.dtype];
    return {
      offset: this.offset * elementBytes,
      shape: [...this.shape, elementBytes],
      strides: [...this.strides.map((stride) => stride * elementBytes), 1],
    };
  }

  /** Label and shape, the name of a tensor in messages. */
  toString(): string {
    return `${this.label} [${this.shape.join(", ")}]`;
  }

  /** Number of axes; a scalar has none. */
  get rank(): number {
    return this.shape.length;
  }

  /** Whether elements lie in row-major order without gaps. */
  get contiguous(): boolean {
    return isDense(this.shape, this.strides);
  }

  /** Whether `backward` reaches the tensor: a leaf with a gradient, or a result that depends on one. */
  get requiresGrad(): boolean {
    return this.isLeafWithGrad || this.node !== null;
  }

  /** Marks the tensor as a leaf that requires a gradient. */
  requireGrad(): this {
    if (!this.dtype.startsWith("f"))
      throw new ArgumentError(
        "requireGrad",
        `${this.label} is ${this.dtype}; only real numbers have gradients`,
      );
    if (this.node) throw new ShapeError("requireGrad", `${this.label} is the result of an op, not a leaf`);
    this.isLeafWithGrad = true;
    return this;
  }

  /** The tensor in another shape, in which one -1 is inferred. A view; for a strided tensor, a view of a dense copy. */
  reshape(shape: readonly number[]): Tensor<D> {
    const known = shape.reduce((product, length) => (length === -1 ? product : product * length), 1);
    const full = shape.map((length) => (length === -1 ? this.size / known : length));
    if (sizeOf(full) !== this.size || full.some((length) => !isLength(length))) {
      throw new ShapeError("reshape", `${this} has ${this.size} elements, [${shape.join(", ")}] does not`);
    }
    if (!this.contiguous) return this.dense().reshape(full);
    const from = this.shape;
    return this.#view("reshape", full, denseStrides(full), this.offset, (dy, input) =>
      input.give(0, dy.reshape(from)),
    );
  }

  /** Exchanges two axes (negative counts from the last); a view. */
  transpose(axisA = -2, axisB = -1): Tensor<D> {
    const a = this.axis("transpose", axisA);
    const b = this.axis("transpose", axisB);
    const swap = (values: readonly number[]) =>
      values.map((value, i) => (i === a ? values[b]! : i === b ? values[a]! : value));
    return this.#view("transpose", swap(this.shape), swap(this.strides), this.offset, (dy, input) =>
      input.give(0, dy.transpose(a, b)),
    );
  }

  /** `length` indices of one axis from `start` on; a view. */
  slice(axis: number, start: number, length: number): Tensor<D> {
    const a = this.axis("slice", axis);
    const whole = Number.isInteger(start) && Number.isInteger(length);
    if (!whole || start < 0 || length < 1 || start + length > this.shape[a]!) {
      throw new ShapeError("slice", `${length} from ${start} on is outside axis ${a} of ${this}`);
    }
    const shape = this.shape.map((value, i) => (i === a ? length : value));
    const offset = this.offset + start * this.strides[a]!;
    return this.#view("slice", shape, this.strides, offset, (dy, input) => {
      const { tensor, accumulate } = input.sink(0);
      if (!accumulate) clear(tensor);
      const part = tensor.slice(a, start, length);
      copyStrided(dy, part, { accumulate: true });
      part.dispose();
    });
  }

  /** Converts an axis, negative if counted from the last, to one counted from the first. Throws a `ShapeError`. */
  axis(op: string, axis: number): number {
    const a = axis < 0 ? axis + this.rank : axis;
    if (!Number.isInteger(a) || a < 0 || a >= this.rank)
      throw new ShapeError(op, `${this} has no axis ${axis}`);
    return a;
  }

  #view(
    op: string,
    shape: readonly number[],
    strides: readonly number[],
    offset: number,
    backward: BackwardFunction,
  ): Tensor<D> {
    const result = this.alias(shape, strides, offset);
    this.gpu.track(result);
    if (this.dtype === "f32" || this.dtype === "f16")
      record(op, [this as unknown as Tensor], result as unknown as Tensor, () => backward);
    if (result.node && this.contiguous && result.contiguous) result.node.viewStart = offset - this.offset;
    return result;
  }

  /** Another handle on the same memory, under no scope and off the tape: for the tape itself. */
  alias(shape = this.shape, strides = this.strides, offset = this.offset): Tensor<D> {
    this.storage.retain();
    return new Tensor(this.gpu, this.storage, this.dtype, shape, strides, offset, this.label);
  }

  /** A dense copy in separate memory; the gradient passes through. `contiguous` makes one only if needed. */
  dense(): Tensor<D> {
    const copy = this.packed();
    this.gpu.track(copy);
    // Integers have no gradient: such an op is not recorded.
    record(
      "contiguous",
      [this as Tensor<Float>],
      copy as Tensor<Float>,
      () => (dy, grads) => grads.give(0, dy),
    );
    return copy;
  }

  /** Like `dense`, under no scope and off the tape. `Gpu.run` binds it if it cannot bind a view. */
  packed(): Tensor<D> {
    const copy = untracked(this.gpu, this.shape, this.dtype, this.label);
    copyStrided(this, copy, { accumulate: false });
    return copy;
  }

  /** Overwrites the elements with those that a kernel has written to a `packed` copy. */
  unpack(copy: Tensor<D>): void {
    copyStrided(copy, this, { accumulate: false });
  }

  /** The same values, off the tape. */
  detach(): Tensor<D> {
    const result = this.alias();
    this.gpu.track(result);
    return result;
  }

  /**
   * Moves the tensor to other memory, at an offset in elements: used to put the parameters of a model into one buffer. The
   * caller has copied the elements. The tensor must be dense and off the tape; handles on the old memory keep it.
   */
  moveTo(storage: Storage, offset: number): void {
    storage.retain();
    this.storage.release();
    this.#memory = storage;
    this.offset = offset;
    if (this.watch?.changed === false) this.watch = storage.watch(this.region);
  }

  /**
   * The buffer of the elements, for the caller's own pipelines; `offset` and `size` are in bytes. Valid until the tensor is
   * disposed of. Submit recorded work first (`gpu.flush`).
   */
  get buffer(): { buffer: GPUBuffer; offset: number; size: number } {
    const elementBytes = bytesPerElement[this.dtype];
    return {
      buffer: this.storage.buffer,
      offset: this.offset * elementBytes,
      size: this.size * elementBytes,
    };
  }

  /** Removes the tensor from all enclosing scopes; `dispose` frees it. */
  keep(): this {
    this.kept = true;
    return this;
  }

  dispose(): void {
    this.#memory?.release();
    this.#memory = null;
    this.node = null;
  }

  /** The elements in row-major order. Waits for all work recorded so far. */
  async read(): Promise<TypedArrays[D]> {
    if (!this.contiguous) {
      const copy = this.packed();
      return copy.read().finally(() => copy.dispose());
    }
    const elementBytes = bytesPerElement[this.dtype];
    const start = this.offset * elementBytes;
    // Buffers are read in words of 4 bytes: a range of float16 may begin or end inside one.
    const lead = start % 4;
    const length = Math.ceil((lead + this.size * elementBytes) / 4) * 4;
    const bytes = await this.gpu.read(this.storage, start - lead, length);
    if (this.dtype === "f16")
      return float16ToFloat32(new Uint16Array(bytes, lead, this.size)) as TypedArrays[D];
    const array = { f32: Float32Array, u32: Uint32Array, i32: Int32Array }[this.dtype as "f32"];
    return new array(bytes) as TypedArrays[D];
  }

  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError("item", `${this} has ${this.size} elements, not one`);
    return (await this.read())[0]!;
  }

  /** Replaces all elements, after all work recorded so far; for float16 they are rounded to nearest. */
  write(data: ArrayLike<number>): void {
    if (data.length !== this.size) {
      throw new ShapeError("write", `${this} has ${this.size} elements, the data ${data.length}`);
    }
    if (!this.contiguous) throw new ShapeError("write", `${this.label} is a strided view`);
    if (inWholeWords(this))
      this.gpu.write(this.storage, this.offset * bytesPerElement[this.dtype], typed(data, this.dtype));
    else
      setThroughKernel(this as unknown as Tensor<Float>, Float32Array.from(data), denseStrides(this.shape));
  }

  /** Like `write`, for a float16 tensor, from the elements' bits, which are copied unchanged. */
  writeHalves(bits: Uint16Array): void {
    const asTheyAre =
      this.dtype === "f16" && this.contiguous && bits.length === this.size && inWholeWords(this);
    if (asTheyAre) this.gpu.write(this.storage, this.offset * bytesPerElement.f16, bits);
    else this.write(float16ToFloat32(bits));
  }
}

/** Whether the queue, which writes and clears words of 4 bytes, can address exactly these elements. */
function inWholeWords({ dtype, offset, size }: Tensor<DType>): boolean {
  const elementBytes = bytesPerElement[dtype];
  return (offset * elementBytes) % 4 === 0 && (size * elementBytes) % 4 === 0;
}

/** Sets the elements of a float16 tensor from values with these strides. */
function setThroughKernel(tensor: Tensor<Float>, values: Float32Array, strides: readonly number[]): void {
  const { gpu, label, shape } = tensor;
  const source = new Tensor(gpu, gpu.allocate(values.byteLength, label), "f32", shape, strides, 0, label);
  gpu.write(source.storage, 0, values);
  copyStrided(source, tensor, { accumulate: false });
  source.dispose();
}

function typed(data: ArrayLike<number>, dtype: DType): Float32Array | Uint16Array | Uint32Array | Int32Array {
  if (dtype === "f16") return float32ToFloat16(data instanceof Float32Array ? data : Float32Array.from(data));
  const array = { f32: Float32Array, u32: Uint32Array, i32: Int32Array }[dtype];
  return data instanceof array ? data : array.from(data);
}

function isLength(length: number): boolean {
  return Number.isInteger(length) && length > 0;
}

function checkShape(op: string, shape: readonly number[]): void {
  if (!shape.every(isLength)) {
    throw new ShapeError(op, `[${shape.join(", ")}] is not a shape: lengths are whole and at least 1`);
  }
}

/** A tensor with undefined content. */
export function empty<D extends DType = "f32">(
  gpu: Gpu,
  shape: readonly number[],
  dtype: D = "f32" as D,
  label = "tensor",
): Tensor<D> {
  const result = untracked(gpu, shape, dtype, label);
  gpu.track(result);
  return result;
}

/** Like `empty`, under no scope: for gradients and other tensors with an owner. */
export function untracked<D extends DType = "f32">(
  gpu: Gpu,
  shape: readonly number[],
  dtype: D = "f32" as D,
  label = "tensor",
): Tensor<D> {
  checkShape(label, shape);
  const elements = sizeOf(shape);
  if (dtype === "f16") gpu.requireFloat16(`${label}, a float16 tensor,`);
  const storage = gpu.allocate(elements * bytesPerElement[dtype], label);
  return new Tensor(gpu, storage, dtype, [...shape], denseStrides(shape), 0, label);
}

/** A tensor of zeros. */
export function zeros<D extends DType = "f32">(
  gpu: Gpu,
  shape: readonly number[],
  dtype: D = "f32" as D,
  label = "tensor",
): Tensor<D> {
  const result = empty(gpu, shape, dtype, label);
  clear(result);
  return result;
}

/**
 * A tensor with these elements in row-major order. Throws a `ShapeError` if their number does not match the shape.
 */
export function fromArray<D extends DType = "f32">(
  gpu: Gpu,
  data: ArrayLike<number>,
  shape: readonly number[],
  dtype: D = "f32" as D,
  label = "tensor",
): Tensor<D> {
  const result = empty(gpu, shape, dtype, label);
  result.write(data);
  return result;
}

/**
 * A tensor over the caller's buffer, from its first byte on, without a copy. The buffer needs the usage STORAGE (COPY_SRC to be
 * read, COPY_DST to be written) and a size rounded up to a multiple of 16 bytes, since kernels read vectors. It is never
 * destroyed here. The caller must submit its writes to the buffer before the work that reads it.
 */
export function fromBuffer<D extends DType = "f32">(
  gpu: Gpu,
  buffer: GPUBuffer,
  shape: readonly number[],
  dtype: D = "f32" as D,
): Tensor<D> {
  const label = buffer.label || "a buffer of the caller's";
  checkShape(label, shape);
  const elements = sizeOf(shape);
  const bytes = 16 * Math.ceil((elements * bytesPerElement[dtype]) / 16);
  if (buffer.size < bytes) {
    throw new ShapeError(label, `[${shape.join(", ")}] takes ${bytes} bytes, the buffer has ${buffer.size}`);
  }
  const storage = new Storage({ reclaim() {} }, buffer.size, label, { buffer, id: borrowedId });
  const result = new Tensor(gpu, storage, dtype, [...shape], denseStrides(shape), 0, label);
  gpu.track(result);
  return result;
}

/** Records the filling of a dense tensor with zeros. */
export function clear(tensor: Tensor<DType>): void {
  if (!tensor.contiguous) throw new ShapeError("clear", `${tensor.label} is a strided view`);
  const elementBytes = bytesPerElement[tensor.dtype];
  if (inWholeWords(tensor))
    tensor.gpu.clearBuffer(tensor.storage, tensor.offset * elementBytes, tensor.size * elementBytes);
  else
    setThroughKernel(
      tensor as unknown as Tensor<Float>,
      new Float32Array(1),
      tensor.shape.map(() => 0),
    );
}
