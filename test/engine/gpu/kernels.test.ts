import { compilationErrors } from "../../../dist/engine/gpu/compilation-errors.js";
import { Gpu } from "../../../dist/engine/gpu/gpu.js";
import { type Kernel, specialise } from "../../../dist/engine/gpu/kernel.js";
import * as kernels from "../../../dist/engine/gpu/kernels.generated.js";
import * as moreKernels from "../../../dist/engine/gpu/more-kernels.generated.js";
import { deviceOf } from "../../device.js";
import { test } from "../../harness.js";

/** The default of a kernel, and it with each variant and each tunable candidate in turn. Vectors are so in all types at once. */
function specialisations(kernel: Kernel) {
  const all = [{ variant: {}, tune: {} }];
  const variants = Object.entries(kernel.spec.variants);
  const vectors = variants.flatMap(([name, { values }]) =>
    values && "vector" in values ? [[name, "vector"]] : [],
  );
  for (const [name, { values }] of variants) {
    for (const value of values ? Object.keys(values) : [true, false]) {
      const variant = value === "vector" ? Object.fromEntries(vectors) : { [name]: value };
      all.push({ variant, tune: {} });
    }
  }
  for (const [name, { candidates }] of Object.entries(kernel.spec.tunables)) {
    for (const value of candidates) all.push({ variant: {}, tune: { [name]: value } });
  }
  return all;
}

for (const adapter of ["lavapipe", "swiftshader"]) {
  test(`every shader is valid WGSL on ${adapter}`, async (t) => {
    const device = await deviceOf(adapter);
    if (!device) {
      t.comment(`${adapter} is not installed here; its shaders are checked where it is`);
      return;
    }
    const gpu = Gpu.from(device);
    for (const [family, entries] of Object.entries({ ...kernels, ...moreKernels })) {
      const problems: string[] = [];
      const seen = new Set<string>();
      for (const kernel of Object.values(entries) as Kernel[]) {
        if (/^enable subgroups;/m.test(kernel.source) && !gpu.has("subgroups")) {
          t.comment(`${kernel.spec.name} needs the feature subgroups, which this device lacks`);
          continue;
        }
        for (const specialisation of specialisations(kernel)) {
          const code = specialise(kernel, specialisation);
          if (seen.has(code)) continue;
          seen.add(code);
          if (/^enable f16;/.test(code) && !gpu.has("shader-f16")) {
            t.comment(`${kernel.spec.name} in float16 needs the feature shader-f16, which this device lacks`);
            continue;
          }
          device.pushErrorScope("validation");
          const module = device.createShaderModule({ code });
          const errors = await compilationErrors(kernel, code, module);
          await device.popErrorScope();
          problems.push(...errors.map((error) => `${error} ${JSON.stringify(specialisation)}`));
        }
      }
      t.same(problems, [], `${family}: ${seen.size} specialisations`);
    }
    device.destroy();
  });
}
