import t from "tap";
import { crc32, crc32InParts } from "../../dist/platform/crc32.js";
import { nodePlatform } from "../../dist/platform/node.js";
import {
  type Checkpoint,
  latestCheckpoint,
  loadCheckpoint,
  saveCheckpoint,
} from "../../dist/training/checkpoint.js";
import { MemoryFiles } from "../io/memory-files.js";

function checkpoint(step: number): Checkpoint {
  return {
    step,
    model: new Map([["w", { dtype: "F32", shape: [3], data: Float32Array.of(step, 0.1, -1e-30) }]]),
    optimizer: new Map([["w.m", { dtype: "F32", shape: [3], data: Float32Array.of(1, 2, step) }]]),
    state: { seed: 7, config: { decoder: { dim: 8 } }, epoch: { order: [3, 1, 2], at: 1 }, best: null },
  };
}

t.test("crc32 of the standard check text", async (t) => {
  t.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  t.equal(crc32(new Uint8Array(0)), 0);
  const long = new Uint8Array(10_013).map((_, i) => (i * 2654435761) >>> 13);
  let slow = 0xffffffff;
  for (const byte of long) {
    slow ^= byte;
    for (let bit = 0; bit < 8; bit++) slow = slow & 1 ? 0xedb88320 ^ (slow >>> 1) : slow >>> 1;
  }
  t.equal(crc32(long), ~slow >>> 0, "bit by bit");
  t.equal(await crc32InParts(long, 1000), ~slow >>> 0, "in parts");
});

t.test("what is saved is what is loaded, and only the last K stay", async (t) => {
  const files = new MemoryFiles();
  for (const step of [5, 10, 999999, 1000000]) {
    t.equal(
      await saveCheckpoint(files, "run/c", checkpoint(step), 2),
      `run/c/step-${String(step).padStart(6, "0")}`,
    );
  }
  t.same(await files.list("run/c"), ["step-1000000", "step-999999"], "kept by number, not by spelling");
  const latest = await latestCheckpoint(files, "run/c");
  t.equal(latest.path, "run/c/step-1000000");
  t.same(latest.checkpoint, checkpoint(1000000));
  t.same(latest.warnings, []);
});

t.test("lower steps after a damaged newest checkpoint are the newer ones", async (t) => {
  const files = new MemoryFiles();
  await saveCheckpoint(files, "c", checkpoint(200), 2);
  await saveCheckpoint(files, "c", checkpoint(300), 2);
  await files.write("c/step-000300/model.safetensors", new Uint8Array(3));
  for (const step of [210, 220, 230]) {
    const path = await saveCheckpoint(files, "c", checkpoint(step), 1);
    const latest = await latestCheckpoint(files, "c");
    t.equal(latest.path, path, `step ${step} is kept and found`);
    t.same(latest.warnings, []);
  }
  t.same(await files.list("c"), ["step-000230"]);
});

t.test("a checkpoint whose step is not that of its folder is damaged", async (t) => {
  const files = new MemoryFiles();
  await saveCheckpoint(files, "c", checkpoint(16), 3);
  for (const name of ["model.safetensors", "optimizer.safetensors", "state.json"]) {
    await files.makeDirectory("c/step-000099");
    await files.write(`c/step-000099/${name}`, await files.read(`c/step-000016/${name}`));
  }
  const { checkpoint: found, warnings } = await latestCheckpoint(files, "c");
  t.equal(found?.step, 16);
  t.match(warnings.join(), /step-000099.*"step" should be 99, as its folder's name, it is 16/);
  // Without its checksum, as older versions wrote it: with one, any change is noticed.
  const { crc32: _, ...unsummed } = JSON.parse(await files.readText("c/step-000016/state.json"));
  const state = JSON.stringify(unsummed, null, 2);
  await files.write("c/step-000016/state.json", state);
  t.equal((await loadCheckpoint(files, "c/step-000016")).step, 16);
  for (const step of ["1.5", "-16", "0", '"16"', "null", "1e300"]) {
    await files.write("c/step-000016/state.json", state.replace('"step": 16', `"step": ${step}`));
    await t.rejects(loadCheckpoint(files, "c/step-000016"), { name: "UserError" }, `step ${step}`);
  }
});

t.test("a changed state is damaged", async (t) => {
  const files = new MemoryFiles();
  await saveCheckpoint(files, "c", checkpoint(16), 1);
  const path = "c/step-000016/state.json";
  const state = await files.readText(path);
  for (const [from, to] of [
    ['"seed": 7', '"seed": 8'],
    ['"dim": 8', '"dim": 9'],
    ['"best": null', '"best": 0'],
  ] as const) {
    t.ok(state.includes(from), from);
    await files.write(path, state.replace(from, to));
    await t.rejects(
      loadCheckpoint(files, "c/step-000016"),
      { name: "UserError", message: /state\.json is damaged: its checksum/ },
      `${from} became ${to}`,
    );
  }
});

t.test("the same step can be saved again", async (t) => {
  const files = new MemoryFiles();
  await saveCheckpoint(files, "c", checkpoint(3), 1);
  const changed = { ...checkpoint(3), state: { seed: 8 } };
  await saveCheckpoint(files, "c", changed, 1);
  t.same(await files.list("c"), ["step-000003"]);
  t.same((await latestCheckpoint(files, "c")).checkpoint, changed);
});

t.test("damaged and partial checkpoints are skipped with a warning", async (t) => {
  const damage: [string, (files: MemoryFiles, path: string) => Promise<void>, RegExp][] = [
    ["no state", (files, path) => files.remove(`${path}/state.json`), /state\.json/],
    ["state cut", (files, path) => files.write(`${path}/state.json`, '{"format"'), /not valid JSON/],
    ["other format", (files, path) => files.write(`${path}/state.json`, '{"format":"x"}'), /format "x"/],
    ["no model", (files, path) => files.remove(`${path}/model.safetensors`), /model\.safetensors/],
    [
      "optimizer cut",
      async (files, path) => {
        const bytes = await files.read(`${path}/optimizer.safetensors`);
        await files.write(`${path}/optimizer.safetensors`, bytes.subarray(0, bytes.length - 4));
      },
      /optimizer\.safetensors is damaged/,
    ],
    [
      "one bit of a weight",
      async (files, path) => {
        const bytes = (await files.read(`${path}/model.safetensors`)).slice();
        bytes[bytes.length - 1]! ^= 1;
        await files.write(`${path}/model.safetensors`, bytes);
      },
      /model\.safetensors is damaged/,
    ],
  ];
  for (const [name, apply, message] of damage) {
    const files = new MemoryFiles();
    await saveCheckpoint(files, "c", checkpoint(1), 5);
    await saveCheckpoint(files, "c", checkpoint(2), 5);
    await apply(files, "c/step-000002");
    const latest = await latestCheckpoint(files, "c");
    t.same(latest.checkpoint, checkpoint(1), name);
    t.equal(latest.warnings.length, 1, name);
    t.match(latest.warnings[0], message, name);
    await t.rejects(loadCheckpoint(files, "c/step-000002"), { name: "UserError" }, name);
  }
});

t.test("a crash at any write leaves the older checkpoint or the new one, whole", async (t) => {
  for (let crashAt = 0; ; crashAt++) {
    const files = new MemoryFiles();
    await saveCheckpoint(files, "c", checkpoint(1), 1);
    let calls = 0;
    const crashing = new Proxy(files, {
      get(target, name: keyof MemoryFiles) {
        const value = Reflect.get(target, name);
        if (!["write", "rename", "remove", "makeDirectory"].includes(name)) {
          return typeof value === "function" ? value.bind(target) : value;
        }
        return async (...rest: unknown[]) => {
          if (calls++ === crashAt) throw new Error("power cut");
          return (value as (...args: unknown[]) => Promise<unknown>).apply(target, rest);
        };
      },
    });
    const crashed = await saveCheckpoint(crashing, "c", checkpoint(2), 1).then(
      () => false,
      () => true,
    );
    const { checkpoint: found, warnings } = await latestCheckpoint(files, "c");
    t.ok(found?.step === 1 || found?.step === 2, `crash at call ${crashAt}: step ${found?.step}`);
    t.same(warnings, []);
    await saveCheckpoint(files, "c", checkpoint(3), 1);
    t.same(await files.list("c"), ["step-000003"], "leftovers are cleared by the next save");
    if (!crashed) break;
  }
});

t.test("no folder, or an empty one, gives null; NaN in the state is refused", async (t) => {
  const files = new MemoryFiles();
  t.equal((await latestCheckpoint(files, "nowhere")).checkpoint, null);
  await files.makeDirectory("c");
  t.equal((await latestCheckpoint(files, "c")).checkpoint, null);
  await t.rejects(
    saveCheckpoint(files, "c", { ...checkpoint(1), state: { best: Number.NaN } }, 1),
    /"best" is NaN/,
  );
});

t.test("on a real disk: saved, replaced, pruned, found", async (t) => {
  const files = nodePlatform.files;
  const folder = `${t.testdir()}/run/checkpoints/vqvae`;
  t.equal((await latestCheckpoint(files, folder)).checkpoint, null);
  for (const step of [1, 2, 2, 3]) await saveCheckpoint(files, folder, checkpoint(step), 2);
  t.same(await files.list(folder), ["step-000002", "step-000003"]);
  t.same((await latestCheckpoint(files, folder)).checkpoint, checkpoint(3));
});
