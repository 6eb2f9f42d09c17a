/** VQGAN against the reference implementation: test/vectors. */

import { test } from "../../harness.js";
import { channelsLast, type Kind, pictureOf, vectors, vqganOf } from "./support.js";

/** Largest difference allowed in float32; the reference's own float32 is within 3e-5. */
const tolerance = { abs: 3e-4 };

for (const kind of ["nn", "gumbel"] as const satisfies Kind[]) {
  test(`${kind}: codes, values on the way to them, and pictures from them`, async (t, gpu) => {
    const expected = vectors(kind);
    const vqgan = vqganOf(gpu, kind);
    let worst = 0;
    for (const i of [0, 1, 2]) {
      const near = async (name: string, tensor: { read(): Promise<Float32Array> }) => {
        const actual = await tensor.read();
        const wanted = channelsLast(expected.get(`image${i}.${name}`)!);
        for (const [at, value] of actual.entries()) worst = Math.max(worst, Math.abs(value - wanted[at]!));
        t.near(actual, wanted, tolerance, `image${i}: ${name}`);
      };
      const image = await pictureOf(gpu, kind, i);
      const { encoder, prequant } = vqgan.features(image);
      const ids = vqgan.encodeGrid(image);
      const indices = expected.get(`image${i}.indices`)!;
      t.same(ids.shape.slice(1), indices.shape, `image${i}: a grid of ${indices.shape.join("×")}`);
      t.same(Array.from(await ids.read()), Array.from(indices.data, Number), `image${i}: codes`);
      await near("encoder", encoder);
      await near("prequant", prequant);
      const logits = vqgan.quantizer.logits(prequant);
      t.equal(logits !== null, kind === "gumbel", `image${i}: logits in one kind only`);
      if (logits) await near("logits", logits);
      const quantized = vqgan.quantizer.vectorsOf(ids);
      await near("quantized", quantized);
      const picture = vqgan.decodeGrid(ids);
      await near("reconstruction", picture);
      for (const tensor of [image, encoder, prequant, ids, logits, quantized, picture]) tensor?.dispose();
    }
    t.comment(`${kind}: largest difference ${worst.toExponential(2)}`);
    vqgan.dispose();
  });
}
