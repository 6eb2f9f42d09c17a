/** What profilers listen to: recorded dispatches, memory taken and given back, dispatches on a line of time. */
import { timeline } from "../../../dist/engine/gpu/profiler.js";
import type { Dispatch } from "../../../dist/engine/gpu/recording.js";
import { copyStrided } from "../../../dist/engine/tensor/strided.js";
import { empty, fromArray } from "../../../dist/engine/tensor/tensor.js";
import { test } from "../../harness.js";

test("an observer hears of dispatches and of memory, in their order, also while work is captured", async (t, gpu) => {
  const x = fromArray(gpu, new Float32Array(100), [100], "f32", "x");
  const heard: (string | number)[] = [];
  let live = 0;
  gpu.observer = {
    dispatch: (dispatch: Dispatch, params, variant) => {
      heard.push(dispatch.pipeline.kernel.spec.name, Number(params.accumulate), Object.keys(variant).length);
    },
    memory: (label, bytes) => {
      live += bytes;
      heard.push(label, Math.sign(bytes));
    },
  };
  const { work } = gpu.capture(() => {
    const y = empty(gpu, [100], "f32", "y");
    copyStrided(x, y, { accumulate: true });
  });
  gpu.observer = null;
  t.same(
    heard.filter((item) => item !== 0),
    ["y", 1, "strided.copy", 1, 3, "y", -1],
    "one buffer, one dispatch that adds, with its two element types and that of its sums, the buffer again",
  );
  t.equal(live, 0, "what was taken was given back");
  work.run();
  x.dispose();
  await gpu.idle();
  t.equal(heard.length, 7, "silence once nobody listens, and when work is replayed");
  work.dispose();
});

test("dispatches on a line of time, in the order of submission", async (t, gpu) => {
  if (!gpu.has("timestamp-query")) {
    await t.throwsMessage(
      timeline(gpu, () => {}),
      /no timestamp-query feature/,
      "refused where it cannot be had",
    );
    return;
  }
  const x = fromArray(gpu, new Float32Array(5000), [5000]);
  const line = await timeline(gpu, () =>
    gpu.scope(() => {
      const y = empty(gpu, [5000]);
      copyStrided(x, y, { accumulate: false });
      gpu.flush();
      copyStrided(x, y, { accumulate: true });
    }),
  );
  x.dispose();
  t.same(
    line.map(({ kernel }) => kernel),
    ["strided.copy", "strided.copy"],
    "both submissions",
  );
  t.equal(line[0]!.begin, 0, "time counts from the first");
  t.ok(
    line.every(({ begin, end }) => end >= begin),
    "none ends before it begins",
  );
});
