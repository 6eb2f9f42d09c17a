/** Tests that fail on purpose, for the test of what reports them (`launch.test.ts`). */
import { test } from "../harness.js";

test("every kind of failure", async (t) => {
  t.ok(0, "ok");
  t.equal(1, 2, "equal");
  t.equal({}, {} as object, "equal, not the same object");
  t.same([1, { a: [2] }], [1, { a: [3] }], "same");
  t.same(new Float32Array(2), [0, 0], "same, another kind");
  t.same({ a: 1 }, { a: 1, b: undefined }, "same, a key too few");
  t.near([1, Number.NaN], [1, 1], { abs: 1e9 }, "near");
  t.near([1], [1, 2], {}, "near, another length");
  await t.throwsMessage(() => {}, /./, "throwsMessage, nothing thrown");
  await t.throwsMessage(Promise.reject(new Error("red")), /blue/, "throwsMessage, another message");
  throw new Error("and an exception");
});

test("what holds", async (t) => {
  t.equal(Number.NaN, Number.NaN, "equal");
  t.same(
    [new Float32Array([0]), { a: null }, undefined],
    [new Float32Array([-0]), { a: null }, undefined],
    "same",
  );
});

test("a GPU error outside the engine's own checks", async (t, gpu) => {
  gpu.device.createBuffer({ size: 8, usage: 0 });
  await gpu.idle();
  t.ok(true, "the engine does not see it");
});
