/**
 * What a case is. Types only; nothing runs here.
 *
 * @typedef {import("../dist/engine/index.js").Gpu} Gpu
 * @typedef {import("../dist/engine/index.js").Tensor<any>} Tensor
 * @typedef {Readonly<Record<string, number>>} Size
 *
 * @typedef {object} Problem A case at one size, with its data on the GPU.
 * @property {() => Tensor[]} call Records the work once; returns what the check reads: results, then gradients.
 * @property {() => ArrayLike<number>[]} reference The same numbers in float64, in the order of `call`.
 * @property {() => void} dispose
 *
 * @typedef {object} Case A family's op at one size.
 * @property {string} family
 * @property {string} name Unique within its set; says the op, the shapes that matter and whether gradients are included.
 * @property {Size} size
 * @property {Size} [checkSize] Overrides some of `size` for the check, where float64 in JavaScript would take long.
 * @property {(size: Size) => number} flops Floating-point operations of one call; exp, log and division count as one.
 * @property {(size: Size) => number} bytes The least that has to move: every input read once, every result written once.
 * @property {"shader-f16"} [needs] The feature that the device has to have; without it the case is left out.
 * @property {number} tolerance Largest error allowed, see `largestError`.
 * @property {(gpu: Gpu, size: Size, random: import("./random.js").Random) => Problem} build
 *
 * @typedef {object} Family Cases of one kernel family.
 * @property {string} name What `node kernels-bench/run.js FAMILY` chooses.
 * @property {string} natural What a number n given to `--sizes` stands for.
 * @property {(n: number) => Case[]} at The family's cases at natural size n.
 * @property {Case[]} small Sizes at which starting the kernels counts.
 * @property {Case[]} medium What runs by default: sizes of the presets, and of the other engines' benchmarks.
 * @property {Case[]} [presets] Shapes of the training steps of the presets quick and emoji, as the tuner needs them.
 * @property {Case[]} large Sizes as in the paper, as far as a software adapter does them in seconds.
 */
export {};
