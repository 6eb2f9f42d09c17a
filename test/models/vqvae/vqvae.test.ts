import type { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { PackedParameters } from "../../../dist/engine/nn/parameters.js";
import { Rng } from "../../../dist/engine/ops/rng.js";
import { AdamW } from "../../../dist/engine/optim/adamw.js";
import { backward, zeroGrad } from "../../../dist/engine/tensor/autograd.js";
import { noGrad } from "../../../dist/engine/tensor/tape.js";
import { fromArray, type Tensor } from "../../../dist/engine/tensor/tensor.js";
import { VqVae, type VqVaeLossOptions, type VqVaeShape } from "../../../dist/models/vqvae/vqvae.js";
import { randomArray, test } from "../../harness.js";
import { referenceConv2d } from "../../reference/conv2d.js";
import { matmul } from "../../reference/dense.js";
import { referenceGroupNorm } from "../../reference/group-norm.js";

const shape: VqVaeShape = {
  imageSize: 16,
  channels: 16,
  codes: 24,
  codeDim: 8,
  downsample: 2,
  resBlocks: 1,
  attention: false,
};
const options = { commitment: 0.25, decay: 0.9, restartAfter: 0, reconstruction: "both" } as const;

/** Pictures of a disc or a square of one colour on another, in [-1, 1]. */
function drawings(count: number, size: number): Float32Array {
  const values = new Float32Array(count * size * size * 3);
  for (let n = 0; n < count; n++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const [dx, dy] = [x - size / 2 + (n % 3) - 1, y - size / 2 - (n % 2)];
        const inside =
          n % 2 ? Math.hypot(dx, dy) < size / 3 : Math.max(Math.abs(dx), Math.abs(dy)) < size / 4;
        for (let c = 0; c < 3; c++) {
          const ink = ((n >> c) & 1) * 1.6 - 0.8;
          values[((n * size + y) * size + x) * 3 + c] = inside ? ink : 0.9 - 0.1 * (n % 4);
        }
      }
    }
  }
  return values;
}

const images = (gpu: Gpu, count: number, size = shape.imageSize) =>
  fromArray(gpu, drawings(count, size), [count, size, size, 3], "f32", "images");

/** Decibels of pictures in [-1, 1]. */
function psnr(a: Float32Array, b: Float32Array): number {
  const error = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length;
  return 10 * Math.log10(4 / error);
}

const reconstruct = (vqvae: VqVae, pictures: Tensor): Promise<Float32Array> => {
  const result = vqvae.gpu.scope(() => noGrad(() => vqvae.decode(vqvae.encode(pictures))));
  return result.read().finally(() => result.dispose());
};

test("shapes of codes and pictures", async (t, gpu) => {
  for (const changes of [
    {},
    { attention: true, downsample: 3, imageSize: 24 },
    { channels: 12, codeDim: 5, resBlocks: 2, downsample: 1, imageSize: 6 },
  ] as Partial<VqVaeShape>[]) {
    const full = { ...shape, ...changes };
    const vqvae = new VqVae(gpu, full);
    vqvae.initialise(1);
    const pictures = images(gpu, 3, full.imageSize);
    const side = full.imageSize / 2 ** full.downsample;
    const name = JSON.stringify(changes);
    t.equal(vqvae.side, side, `side, ${name}`);
    const ids = gpu.scope(() => noGrad(() => vqvae.encode(pictures)));
    t.same([...ids.shape], [3, side * side], `codes, ${name}`);
    const values = await ids.read();
    t.ok(
      values.every((id) => id < full.codes),
      "ids of the codebook",
    );
    const decoded = gpu.scope(() => noGrad(() => vqvae.decode(ids)));
    t.same([...decoded.shape], [3, full.imageSize, full.imageSize, 3], `pictures, ${name}`);
    t.ok((await decoded.read()).every(Number.isFinite), "finite pixels");
    // A picture's codes do not depend on the others in its batch.
    const alone = fromArray(gpu, drawings(3, full.imageSize).slice(-(full.imageSize ** 2) * 3), [
      1,
      full.imageSize,
      full.imageSize,
      3,
    ]);
    const own = gpu.scope(() => noGrad(() => vqvae.encode(alone)));
    t.same(
      [...(await own.read())],
      [...values.slice(-side * side)],
      "the last picture alone has the same codes",
    );
    for (const tensor of [ids, decoded, pictures, alone, own]) tensor.dispose();
    vqvae.dispose();
  }
  await t.throwsMessage(
    () => new VqVae(gpu, { ...shape, imageSize: 18 }),
    /18 pixels cannot be halved 2 times/,
    "a picture that cannot be halved",
  );
});

/** A training pass without gradients: what the codebook does, and its use. */
function pass(vqvae: VqVae, pictures: Tensor, settings: VqVaeLossOptions, random: Rng): Tensor {
  return vqvae.updateCodebook(vqvae.loss(pictures, settings), settings, random);
}

test("the gradient passes the codes straight through to the encoder", async (t, gpu) => {
  const vqvae = new VqVae(gpu, shape);
  vqvae.initialise(2);
  const random = new Rng(gpu, 1);
  const pictures = images(gpu, 4);
  // Without the commitment loss nothing else could reach the encoder.
  gpu.scope(() => backward(vqvae.loss(pictures, { ...options, commitment: 0 }).total));
  for (const { name, tensor, trained } of vqvae.parameters()) {
    if (!trained) {
      t.equal(tensor.grad, null, `${name} is not trained by a gradient`);
      continue;
    }
    const gradient = await tensor.grad!.read();
    t.ok(
      gradient.every(Number.isFinite) && gradient.some((value) => Math.abs(value) > 1e-7),
      `${name} has a gradient`,
    );
  }
  random.dispose();
  pictures.dispose();
  vqvae.dispose();
});

test("codes name things: logits against float64, the loss from them, and its gradient in the encoder", async (t, gpu) => {
  for (const [batch, things] of [
    [3, 5],
    [1, 18],
  ] as const) {
    const vqvae = new VqVae(gpu, { ...shape, things });
    vqvae.initialise(7);
    const { side } = vqvae;
    const places = side * side;
    const pictures = images(gpu, batch);
    const values = Uint32Array.from({ length: batch * places }, (_, i) => (i * 7) % (things + 1));
    const shown = fromArray(gpu, values, [batch, places], "u32", "shown");
    const ids = gpu.scope(() => noGrad(() => vqvae.encode(pictures)));
    const logits = gpu.scope(() => noGrad(() => vqvae.nameCodes(ids)));
    const stored = new Map<string, Float64Array>();
    for (const { name, tensor } of vqvae.parameters())
      stored.set(name, Float64Array.from((await tensor.read()) as Float32Array));
    const of = (name: string) => stored.get(name)!;
    const width = 128;
    const logitsOf = (grid: Float64Array) => {
      const convolution = {
        batch,
        height: side,
        width: side,
        channels: shape.codeDim,
        kernelHeight: 3,
        kernelWidth: 3,
        outChannels: width,
        stride: 1,
        top: 1,
        left: 1,
        outHeight: side,
        outWidth: side,
      };
      const normed = referenceGroupNorm(
        { batch, pixels: places, channels: width, groups: width / 8 },
        referenceConv2d(convolution, grid, of("naming.weight")),
        of("naming.norm.weight"),
        of("naming.norm.bias"),
        { silu: true },
      );
      return matmul(normed, of("naming.output.weight"), { m: batch * places, k: width, n: things }).map(
        (value, i) => value + of("naming.output.bias")[i % things]!,
      );
    };
    const lossOf = (logits: Float64Array) => {
      const losses = [...values.entries()].flatMap(([row, thing]) => {
        const own = logits.subarray(row * things, (row + 1) * things);
        return thing === things
          ? []
          : [Math.log(own.reduce((sum, value) => sum + Math.exp(value), 0)) - own[thing]!];
      });
      return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    };
    const vectors = [...(await ids.read())].map((id) =>
      of("codebook.codes").subarray(id * shape.codeDim, (id + 1) * shape.codeDim),
    );
    const byCodes = logitsOf(Float64Array.from(vectors.flatMap((vector) => [...vector])));
    t.near(
      await logits.read(),
      byCodes,
      { rel: 1e-4, abs: 1e-4 },
      `logits of ${batch} pictures, ${things} things`,
    );
    const result = gpu.scope(() => vqvae.loss(pictures, { ...options, naming: 0.3 }, shown));
    const { total, reconstruction, commitment, naming } = result;
    const byVectors = logitsOf(Float64Array.from(await result.vectors.read()));
    const [whole, pixels, codes, named] = (
      await Promise.all([total, reconstruction, commitment, naming!].map((each) => each.read()))
    ).map(([value]) => value!);
    const nats = (lossOf(byCodes) + lossOf(byVectors)) / 2;
    t.near(
      [named!],
      [nats],
      { rel: 1e-4 },
      "mean cross-entropy where a thing is shown, by codes and by vectors",
    );
    t.ok(Math.abs(lossOf(byCodes) - lossOf(byVectors)) > 1e-3, "which differ");
    t.near(
      [whole!],
      [pixels! + codes! + 0.3 * named!],
      { rel: 1e-5 },
      "the parts of the loss, naming with its weight",
    );
    for (const tensor of [
      total,
      reconstruction,
      commitment,
      naming!,
      result.vectors,
      result.sums.counts,
      result.sums.sums,
    ])
      tensor.dispose();
    // Of the difference of two losses that differ in nothing else, the encoder's gradient is that of naming.
    const gradient = async (weight: number) => {
      for (const { tensor } of vqvae.parameters()) zeroGrad(tensor);
      gpu.scope(() => backward(vqvae.loss(pictures, { ...options, naming: weight }, shown).total));
      return vqvae
        .parameters()
        .find(({ name }) => name === "encoder.halve0.weight")!
        .tensor.grad!.read();
    };
    const [without, single, double] = [await gradient(0), await gradient(1), await gradient(2)];
    const parts = single.map((value, i) => value - without[i]!);
    t.ok(
      parts.some((value) => Math.abs(value) > 1e-4),
      "naming moves the encoder's first layer",
    );
    t.near(
      double.map((value, i) => value - without[i]!),
      parts.map((value) => 2 * value),
      { rel: 1e-3, abs: 1e-5 },
      "in proportion to its weight",
    );
    await t.throwsMessage(
      () => vqvae.loss(pictures, options),
      /codes that name .* things need what is shown where/,
      "without what is shown",
    );
    for (const tensor of [pictures, shown, ids, logits]) tensor.dispose();
    vqvae.dispose();
  }
  const plain = new VqVae(gpu, shape);
  plain.initialise(1);
  const ids = fromArray(gpu, new Uint32Array(plain.side ** 2), [1, plain.side ** 2], "u32");
  await t.throwsMessage(
    () => plain.nameCodes(ids),
    /have not learned to name things/,
    "a tokenizer without things",
  );
  ids.dispose();
  plain.dispose();
});

test("a training pass moves the codes that were chosen and reports their use", async (t, gpu) => {
  const vqvae = new VqVae(gpu, shape);
  vqvae.initialise(3);
  const random = new Rng(gpu, 1);
  const pictures = images(gpu, 4);
  const ids = gpu.scope(() => noGrad(() => vqvae.encode(pictures)));
  const chosen = await ids.read();
  const before = await vqvae.codebook.read();
  const usage = gpu.scope(() => noGrad(() => pass(vqvae, pictures, options, random)));
  const after = await vqvae.codebook.read();
  const counts = new Array<number>(shape.codes).fill(0);
  for (const id of chosen) counts[id]!++;
  const entropy = counts.reduce(
    (sum, n) => (n > 0 ? sum - (n / chosen.length) * Math.log(n / chosen.length) : sum),
    0,
  );
  const [, perplexity, used, vectors] = await usage.read();
  t.near([perplexity!], [Math.exp(entropy)], { rel: 1e-4 }, "perplexity of the codes chosen");
  t.equal(used, counts.filter((n) => n > 0).length, "codes used");
  t.equal(vectors, chosen.length, "vectors");
  t.ok(used! > 1, "more than one code is in use");
  counts.forEach((n, code) => {
    if (n === 0) return;
    const row = (all: Float32Array) => all.subarray(code * shape.codeDim, (code + 1) * shape.codeDim);
    const moved = row(after).some((value, i) => value !== row(before)[i]);
    t.ok(moved, `code ${code}, chosen ${n} times, moved`);
  });
  for (const tensor of [ids, usage, pictures]) tensor.dispose();
  random.dispose();
  vqvae.dispose();
});

test("dead codes are restarted among the data", async (t, gpu) => {
  const vqvae = new VqVae(gpu, shape);
  vqvae.initialise(4);
  const random = new Rng(gpu, 1);
  const pictures = images(gpu, 8);
  noGrad(() => vqvae.startCodebook(pictures, random));
  const started = await vqvae.codebook.read();
  t.ok(
    started.every((value) => Math.abs(value) < 50),
    "the codebook starts among encoder outputs",
  );
  // All but two codes go far away, where no vector will choose them.
  const far = Float32Array.from(started, (value, i) => (i < 2 * shape.codeDim ? value : 1000 + i));
  const usedAfter = async (restartAfter: number) => {
    vqvae.codebook.write(far);
    for (const { name, tensor } of vqvae.parameters()) {
      if (name === "codebook.idle") tensor.write(new Float32Array(shape.codes));
      if (name === "codebook.counts") tensor.write(new Float32Array(shape.codes).fill(1));
      if (name === "codebook.sums") tensor.write(far);
    }
    let used = 0;
    for (let step = 1; step <= 5; step++) {
      random.setStep(step);
      const usage = gpu.scope(() =>
        noGrad(() => pass(vqvae, pictures, { ...options, restartAfter }, random)),
      );
      used = (await usage.read())[2]!;
      usage.dispose();
    }
    return used;
  };
  t.ok((await usedAfter(0)) <= 2, "without restarts they stay dead");
  const revived = await usedAfter(2);
  t.ok(revived > 6, `with restarts ${revived} codes are in use`);
  const codes = await vqvae.codebook.read();
  t.ok(
    codes.every((value) => Math.abs(value) < 50),
    "none is far away any more",
  );
  random.dispose();
  pictures.dispose();
  vqvae.dispose();
});

test("no two codes restart at one encoder output in one step", async (t, gpu) => {
  // 24 codes and, of one picture, 16 encoder outputs.
  const noise = fromArray(gpu, randomArray(3, 2 * 16 * 16 * 3), [2, 16, 16, 3]);
  const vqvae = new VqVae(gpu, shape);
  vqvae.initialise(6);
  const random = new Rng(gpu, 1);
  const state = (name: string) => vqvae.parameters().find((parameter) => parameter.name === name)!.tensor;
  const { codes, codeDim } = shape;
  const start = async (pictures: Tensor) => {
    noGrad(() => vqvae.startCodebook(pictures, random));
    const all = await vqvae.codebook.read();
    return Array.from({ length: codes }, (_, k) => all.subarray(k * codeDim, (k + 1) * codeDim).join());
  };
  for (let step = 1; step <= 8; step++) {
    random.setStep(step);
    t.equal(new Set(await start(noise)).size, codes, `step ${step}: 32 outputs, 24 codes, all different`);
  }
  const outputs = await start(noise.slice(0, 0, 1));
  const often = [...new Set(outputs)].map((output) => outputs.filter((other) => other === output).length);
  t.equal(often.length, 16, "16 outputs: each is somebody's");
  t.ok(Math.max(...often) === 2, "and at most two codes share it, since there are more codes than outputs");

  // All codes but the first lie far away. The first takes all vectors, the others are due.
  const before = new Float32Array(codes * codeDim).fill(1000);
  before.set((await vqvae.codebook.read()).subarray(0, codeDim));
  vqvae.codebook.write(before);
  state("codebook.sums").write(before);
  state("codebook.counts").write(new Float32Array(codes).fill(1));
  state("codebook.idle").write(new Float32Array(codes));
  random.setStep(9);
  gpu.scope(() => noGrad(() => pass(vqvae, noise, { ...options, restartAfter: 1 }, random)));
  const after = await vqvae.codebook.read();
  const restarted = Array.from({ length: codes - 1 }, (_, k) =>
    after.subarray((k + 1) * codeDim, (k + 2) * codeDim),
  );
  t.ok(
    restarted.every((code) => code.every((value) => Math.abs(value) < 50)),
    "23 codes are restarted in one step",
  );
  t.equal(new Set(restarted.map((code) => code.join())).size, codes - 1, "at 23 encoder outputs");
  for (const tensor of [noise, vqvae, random]) tensor.dispose();
});

test("eight pictures are learned by heart", async (t, gpu) => {
  const vqvae = new VqVae(gpu, { ...shape, attention: true });
  vqvae.initialise(5);
  const random = new Rng(gpu, 1);
  const originals = drawings(8, shape.imageSize);
  const pictures = images(gpu, 8);
  noGrad(() => vqvae.startCodebook(pictures, random));
  const start = psnr(await reconstruct(vqvae, pictures), originals);
  const packed = PackedParameters.of(vqvae)[0]!;
  const adamw = new AdamW({
    gpu,
    packs: [packed],
    betas: [0.9, 0.99],
    clip: 1,
  });
  const { work } = gpu.capture(() => {
    packed.zeroGrad();
    gpu.scope(() => {
      const result = vqvae.loss(pictures, options);
      backward(result.total);
      vqvae.updateCodebook(result, { ...options, restartAfter: 10 }, random);
    });
    packed.completeGradients();
    adamw.step();
  });
  for (let step = 1; step <= 60; step++) {
    random.setStep(step);
    adamw.setSchedule({ learningRate: 5e-3, step });
    work.run();
  }
  const end = psnr(await reconstruct(vqvae, pictures), originals);
  t.comment(`PSNR ${start.toFixed(1)} → ${end.toFixed(1)} dB`);
  t.ok(start < 12, `random weights know nothing (${start.toFixed(1)} dB)`);
  t.ok(end > start + 8, `after 60 steps they can be recognised (${end.toFixed(1)} dB)`);
  work.dispose();
  adamw.dispose();
  packed.dispose();
  random.dispose();
  pictures.dispose();
  vqvae.dispose();
});

test("a codebook that nothing has started is moved by the first update, not replaced", async (t, gpu) => {
  const vqvae = new VqVae(gpu, shape);
  vqvae.initialise(3);
  const random = new Rng(gpu, 1);
  const before = await vqvae.codebook.read();
  const pictures = images(gpu, 4);
  const used = new Set(await vqvae.encode(pictures).read());
  const usage = await gpu.scope(() => noGrad(() => pass(vqvae, pictures, options, random))).read();
  const after = await vqvae.codebook.read();
  t.equal(usage[2], used.size, "some codes are used");
  t.ok(used.size < shape.codes, `and ${shape.codes - used.size} are not`);
  const total = 0.9 * shape.codes + 0.1 * usage[3]!;
  for (let k = 0; k < shape.codes; k++) {
    if (used.has(k)) continue;
    const code = (values: Float32Array) => values.subarray(k * shape.codeDim, (k + 1) * shape.codeDim);
    // Sum and count decay alike; the smoothing of the counts takes what epsilon gives to 24 codes.
    t.near(code(after), code(before), { rel: 1e-4 * (1 + total / shape.codes) }, `code ${k}, unused, stays`);
  }
  const size = (values: Float32Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
  t.ok(size(after) > 0.3 * size(before), `codes of size ${size(before)} have size ${size(after)}`);
  random.dispose();
  vqvae.dispose();
});
