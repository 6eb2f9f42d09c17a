/** Samplers as settings of a captioner: what each keeps, the default's bits, candidates. */

import "../../../dist/samplers.js";
import type { Caption } from "../../../dist/captioner/options.js";
import { samplers } from "../../../dist/diffusion/samplers.js";
import { fromArray } from "../../../dist/engine/tensor/tensor.js";
import { consensus } from "../../../dist/metrics/consensus.js";
import type { GivenWords } from "../../../dist/models/caption-decoder.js";
import { samplingSettingsOf } from "../../../dist/models/sampling-settings.js";
import { test } from "../../harness.js";
import { build, decoderOf, id, pictures } from "../../tiny-captioner.js";

const guidance = { method: "mcs", scale: 2, maskRate: 0.3 } as const;

test("best-first samplers unmask by the schedule, and never change a word", async (t, gpu) => {
  const captioner = build(gpu);
  const decoder = decoderOf(captioner);
  const { vocabulary: mask, length } = decoder.shape;
  const codes = fromArray(
    gpu,
    Uint32Array.from({ length: 3 * 16 }, (_, i) => i % 16),
    [3, 16],
    "u32",
  ).keep();
  const given: GivenWords = {
    at: Uint32Array.of(0, 1, 0, 0, 0, 0),
    words: Uint32Array.of(0, 3, 0, 0, 0, 0),
    gap: new Uint32Array(length),
  };
  const noisy = { t: 8, tokens: [mask, 2, mask, mask, 4, mask] };
  const { gammaBar, steps } = decoder.schedule;
  for (const [name, words, from, open] of [
    ["confidence", null, undefined, 6],
    ["margin", given, undefined, 5],
    ["purity", null, noisy, 4],
  ] as const) {
    for (const method of ["none", "mcs"] as const) {
      const settings = samplingSettingsOf(captioner.config, {
        ...{ sampler: name, steps: 10, seed: 4, temperature: 0.8 },
        guidance: { ...guidance, method },
      });
      let before: number[] | null = null;
      const first = from?.t ?? steps;
      for (const { u, tokens } of decoder.generate(codes, settings, { endId: 0, words, from })) {
        const all = [...(await tokens.read())];
        const own = all.slice(0, 3 * length);
        if (method === "mcs" && u > 0) t.same(all.slice(3 * length), own, `${name}: both branches alike`);
        const keep = Math.floor((open * gammaBar[u]!) / gammaBar[first]!);
        for (let i = 0; i < 3; i++) {
          const row = own.slice(i * length, (i + 1) * length);
          const masked = row.filter((id) => id === mask).length;
          if (masked !== keep) t.ok(false, `${name}, step ${u}: ${masked} masked, not ${keep}`);
          if (words && row[1] !== 3) t.ok(false, `${name}: the given word is ${row[1]}`);
        }
        const kept = before?.every((id, i) => id === mask || id === own[i]) ?? true;
        if (!kept) t.ok(false, `${name}, step ${u}: a word was changed`);
        before = own;
      }
      t.ok(!before!.includes(mask), `${name}, ${method}: complete at the end`);
    }
  }
  // The decoder keeps its tables of visited steps.
  decoder.table(decoder.schedule.visit(4));
  const live = gpu.memory.liveBytes;
  for (const { name } of samplers.all) {
    const settings = samplingSettingsOf(captioner.config, { sampler: name, steps: 4, guidance });
    const early = decoder.generate(codes, settings, { endId: 0 });
    early.next();
    early.return();
    for (const _ of decoder.generate(codes, settings, { endId: 0 }));
    t.equal(gpu.memory.liveBytes, live, `${name}: gives its memory back`);
  }
  codes.dispose();
  captioner.dispose();
});

test("without remasking, remask is ancestral sampling, to the bit; with it not", async (t, gpu) => {
  const captioner = build(gpu);
  const options = { guidance, seed: 9, steps: 10 };
  const plain = await captioner.captionAll(pictures(6), options);
  const ancestral = await captioner.captionAll(pictures(6), { ...options, sampler: "ancestral" });
  const never = await captioner.captionAll(pictures(6), { ...options, sampler: "remask", remask: 0 });
  const often = await captioner.captionAll(pictures(6), { ...options, sampler: "remask", remask: 0.9 });
  t.same(ancestral, plain, "ancestral is the default");
  t.same(never, plain, "a share of 0");
  t.ok(JSON.stringify(often) !== JSON.stringify(plain), "a share of 0.9");
  const configured = build(gpu, "sampling.sampler=remask", "sampling.remask=0.9");
  t.same(await configured.captionAll(pictures(6), options), often, "both from the configuration");
  configured.dispose();
  const filled = await captioner.captionAll(pictures(2), {
    ...options,
    ...{ sampler: "remask", remask: 0.9, words: "a _ cat" },
    onStep: ({ t: step, tokens }) => {
      const [first, third] = [id("a"), id("cat")];
      for (let at = 0; at < tokens.length; at += 6)
        if (tokens[at] !== first || tokens[at + 2] !== third)
          t.ok(false, `step ${step}: a given word is ${tokens[at]} or ${tokens[at + 2]}`);
    },
  });
  t.ok(
    filled.every(({ text }) => /^a \S+ cat$/.test(text)),
    "given words are not taken back",
  );
  await t.throwsMessage(
    captioner.captionAll(pictures(1), { sampler: "worst-first" }),
    /there is no sampler "worst-first"; there are ancestral, confidence, margin, purity, remask/,
    "a sampler that is none",
  );
  captioner.dispose();
});

test("of several candidates each picture gets its consensus", async (t, gpu) => {
  const captioner = build(gpu);
  const options = { guidance, seed: 3 };
  const images = pictures(5);
  const chosen = await captioner.captionAll(images, { ...options, candidates: 3 });
  const each: Caption[][] = [];
  for (let candidate = 0; candidate < 3; candidate++)
    each.push(await captioner.captionAll(images, { ...options, seed: 3 + candidate * 2 ** 32 }));
  t.same(await captioner.captionAll(images, { ...options, candidates: 1 }), each[0], "one: as without");
  const expected = each[0]!.map((_, i) => {
    const all = each.map((captions) => captions[i]!);
    return all[consensus(all.map(({ text }) => text))]!;
  });
  t.same(chosen, expected, "of candidates from their seeds");
  t.ok(
    chosen.some(({ text }, i) => text !== each[0]![i]!.text),
    "not always the first",
  );
  captioner.dispose();
});
