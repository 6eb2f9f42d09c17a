/** The size of the paper's preset: what is trained, with CLIP's files and without. */
import t from "tap";
import { withoutClip } from "../../dist/cli/clip-files.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { captionDecoders, imageTokenizers } from "../../dist/models/registry.js";
import { openNodeDevice } from "../../dist/node.js";

const files = ["data.vocabulary=vocab.json", "decoder.clipWeights=ViT-B-32.pt"];
const vocabulary = 49_408;

/** Trained parameters by part, in millions. Their weights are neither drawn nor written. */
async function counted(set: readonly string[], words = vocabulary) {
  const opened = await openNodeDevice();
  const gpu = Gpu.from(opened.device, opened);
  const config = resolveConfig({ preset: "paper", set });
  const images = imageTokenizers.get(config.imageTokenizer).create(gpu, config);
  const decoder = captionDecoders
    .get(config.model)
    .create(gpu, config, { vocabulary: words, endId: 0, images });
  const parts: Record<string, number> = {};
  for (const { name, tensor, trained } of decoder.parameters()) {
    const part = name.split(".")[0]!.replace(/\d+/, "");
    if (trained) parts[part] = (parts[part] ?? 0) + tensor.size / 1e6;
  }
  const total = decoder.parameterCount / 1e6;
  decoder.dispose();
  images.dispose();
  gpu.dispose();
  opened.device.destroy();
  return { parts, total, config };
}

t.test("with CLIP's files: the paper's 122 M", async (t) => {
  const { parts, total, config } = await counted(files);
  t.same([config.data.tokenizer, config.decoder.tokenEmbedding], ["clip", "clip"]);
  t.ok(Math.abs(total - 122) < 0.5, `${total.toFixed(2)} M`);
  const near = (value: number, expected: number, what: string) =>
    t.ok(Math.abs(value - expected) < 0.05, `${what}: ${value.toFixed(3)} M`);
  near(parts.block! + parts.modulation!, 94.5, "18 blocks with two adaptive norms");
  near(parts.head!, 25.3, "head");
  near(parts.codeTable! + parts.codeMask!, 1.5, "2,887 condition codes");
  near(parts.codePlaces!, 0.5, "1,024 learned positions");
  t.equal(parts.tokens, undefined, "the table of tokens is frozen");
  t.equal(withoutClip("paper", config, { vocabularySize: vocabulary }), null);
});

t.test("without them it says what it does instead", async (t) => {
  const { parts, config } = await counted([], 5400);
  t.same([config.data.tokenizer, config.decoder.tokenEmbedding], ["words", "learned"]);
  t.ok(Math.abs(parts.tokens! - (5401 * 512) / 1e6) < 1e-9, "learned");
  t.equal(
    withoutClip("paper", config, { vocabularySize: 5400 }),
    "preset paper without data.vocabulary and decoder.clipWeights, files of CLIP: the 5400 words of the captions are the tokens, not CLIP's 49,408 pieces, and the decoder learns its token table (2.8 M parameters), where the paper's is CLIP's, frozen",
  );
  t.match(
    withoutClip("paper", resolveConfig({ preset: "paper", set: files.slice(0, 1) }), {
      vocabularySize: vocabulary,
    }),
    /^preset paper without decoder\.clipWeights, files of CLIP: the decoder learns its token table \(25\.3 M/,
  );
  t.equal(withoutClip("emoji", resolveConfig({}), { vocabularySize: 10 }), null, "of other presets nothing");
});

t.test("settings that are given stay, and need their files", async (t) => {
  const { data } = resolveConfig({ preset: "paper", set: ["data.tokenizer=clip"] });
  t.equal(data.tokenizer, "clip", "its missing file is told when it is read");
  t.throws(() => resolveConfig({ set: ["decoder.tokenEmbedding=clip"] }), {
    message: /decoder\.tokenEmbedding=clip needs decoder\.clipWeights, a file of CLIP's weights/,
  });
});
