import t from "tap";
import { PRESET_NAMES } from "../../dist/config/presets.js";
import { describeConfig, resolveConfig } from "../../dist/config/resolve.js";

t.test("presets resolve, and every key is described", async (t) => {
  t.same(PRESET_NAMES, ["quick", "emoji", "scenes-quick", "scenes", "paper"]);
  const help = describeConfig();
  for (const preset of PRESET_NAMES) {
    const config = resolveConfig({ preset });
    for (const [section, values] of Object.entries(config)) {
      const keys =
        typeof values === "object" ? Object.keys(values).map((key) => `${section}.${key}`) : [section];
      for (const key of keys) t.ok(help.includes(`  ${key} = `), key);
    }
  }
  t.same(resolveConfig(), resolveConfig({ preset: "emoji" }), "emoji is the default");
});

t.test("later sources win: preset, file, --set", async (t) => {
  const file = {
    name: "c.json",
    text: '{"seed": 5, "decoder": {"dim": 64, "blocks": 7}, "vqvae.codes": 33}',
  };
  const config = resolveConfig({
    preset: "quick",
    file,
    set: [
      "decoder.dim=128",
      "decoder.lambda=1e-3",
      "data.skipBad=true",
      "data.folder=a=b",
      "decoder.dim=256",
    ],
  });
  t.equal(config.seed, 5);
  t.equal(config.decoder.dim, 256);
  t.equal(config.decoder.blocks, 7);
  t.equal(config.decoder.lambda, 0.001);
  t.equal(config.vqvae.codes, 33);
  t.equal(config.data.skipBad, true);
  t.equal(config.data.folder, "a=b");
  t.equal(config.decoder.steps, resolveConfig({ preset: "quick" }).decoder.steps, "the rest is the preset's");
  const again = resolveConfig({ file: { name: "config.json", text: JSON.stringify(config) } });
  t.same(again, config, "a saved configuration gives itself");
});

t.test("wrong keys and values say what is allowed", async (t) => {
  const set = (...assignments: string[]) => ({ set: assignments });
  const file = (text: string) => ({ file: { name: "c.json", text } });
  const cases: [object, RegExp, number][] = [
    [
      set("decoder.scedule=absorbing"),
      /no key "decoder\.scedule" \(did you mean decoder\.schedule\?\); keys of decoder: dim, /,
      2,
    ],
    [
      set("dim=3"),
      /did you mean decoder\.dim\?\); keys: seed, minutes, model, imageTokenizer, data\.\{source, /,
      2,
    ],
    [set("learningRate=1"), /did you mean vqvae\.learningRate or decoder\.learningRate\?/, 2],
    [set("decoder.xyzzyplugh=1"), /no key "decoder\.xyzzyplugh"; keys of decoder/, 2],
    [
      set("decoder.dim=many"),
      /--set decoder\.dim=many: decoder\.dim should be a whole number from 8 to 4096, not "many"/,
      2,
    ],
    [set("decoder.dim="), /not ""/, 2],
    [set("decoder.dim=12.5"), /not 12\.5/, 2],
    [set("decoder.dim=NaN"), /not "NaN"/, 2],
    [set("decoder.steps=Infinity"), /decoder\.steps should be a whole number of at least 1/, 2],
    [set("decoder.pCond=1.01"), /decoder\.pCond should be a number from 0 to 1, not 1\.01/, 2],
    [set("sampling.guidance=clip"), /one of none, cfg, mcs, mcs-printed, not "clip"/, 2],
    [set("data.skipBad=yes"), /true or false, not "yes"/, 2],
    [set("decoder"), /should be key=value/, 2],
    [set("=3"), /should be key=value/, 2],
    [
      { preset: "emojy" },
      /no preset "emojy" \(did you mean emoji\?\); presets: quick, emoji, scenes-quick, scenes, paper/,
      2,
    ],
    [{ preset: "toString" }, /no preset "toString"/, 2],
    [file('{"decoder": {"dim": "160"}}'), /c\.json: decoder\.dim should be a whole number .* not "160"/, 1],
    [file('{"decoder": 3}'), /c\.json: there is no key "decoder"/, 1],
    [file('{"__proto__": {"x": 1}}'), /no key "__proto__\.x"/, 1],
    [file('{"seed": {"value": 1}}'), /no key "seed\.value"/, 1],
    [file("[]"), /c\.json should hold a JSON object/, 1],
    [file("{"), /c\.json is not valid JSON/, 1],
    [set("data.imageSize=60"), /data\.imageSize=60 should be a multiple of 8/, 2],
    [set("decoder.heads=3"), /decoder\.heads=3 should divide decoder\.dim=128/, 2],
    [set("decoder.timesteps=10"), /sampling\.steps=25 should be at most decoder\.timesteps=10/, 2],
    [set("data.source=folder"), /needs data\.folder/, 2],
  ];
  for (const [sources, message, exitCode] of cases) {
    t.throws(() => resolveConfig(sources), { name: "UserError", message, exitCode }, String(message));
  }
});

t.test("a model that another entry of the package adds: one sentence says which", async (t) => {
  for (const model of ["transformer", "lstm", "attention-lstm"]) {
    t.throws(
      () => resolveConfig({ set: [`model=${model}`] }),
      { message: `--set model=${model}: model "${model}" is there after import "mc-diffusion/baselines"` },
      model,
    );
  }
  const { captionDecoders } = await import("../../dist/models/registry.js");
  await import("../../dist/baselines.js");
  t.same(
    Object.keys(captionDecoders.elsewhere),
    captionDecoders.names.filter((name) => name !== "mc-diffusion"),
    "the registry names those that the entry adds",
  );
  t.equal(resolveConfig({ set: ["model=lstm"] }).model, "lstm", "and then it is there");
});

t.test("a sampler that another entry of the package adds: one sentence says which", async (t) => {
  const { samplers } = await import("../../dist/diffusion/samplers.js");
  const others = Object.keys(samplers.elsewhere);
  t.same(samplers.names, ["ancestral", "confidence"], "the others are not there yet");
  for (const name of others) {
    t.throws(
      () => resolveConfig({ set: [`sampling.sampler=${name}`] }),
      {
        message: `--set sampling.sampler=${name}: sampling.sampler "${name}" is there after import "mc-diffusion/samplers"`,
      },
      name,
    );
  }
  await import("../../dist/samplers.js");
  t.same(
    samplers.names,
    ["ancestral", "confidence", ...others],
    "the registry names those that the entry adds",
  );
  t.equal(resolveConfig({ set: ["sampling.sampler=purity"] }).sampling.sampler, "purity", "and then");
});
