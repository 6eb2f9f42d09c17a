/** Deliberate mistakes in the autoregressive baselines: their order of words, searches, training and first weights. */

import type { Mutation } from "./mutation.js";

const shared = "models/autoregressive/autoregressive.test.ts";
const transformer = "models/transformer/transformer.test.ts";
const recurrent = "models/lstm/lstm.test.ts";
const captioner = "models/autoregressive/captioner.test.ts";
const initial = "training/initial-weights.test.ts";

export const baselines: readonly Mutation[] = [
  {
    name: "autoregressive: a sampler of the diffusion is passed over",
    file: "src/models/autoregressive/generate.ts",
    find: 'settings.sampler !== "ancestral"',
    replace: 'settings.sampler === "none"',
    tests: [`${shared} # transformer: guidance, given words`],
  },
  {
    name: "transformer: a word sees those after it",
    file: "src/models/transformer/causal-block.ts",
    find: "maskedSelfAttention(qkv, this.heads, { causal: true })",
    replace: "maskedSelfAttention(qkv, this.heads, { causal: false })",
    tests: [`${shared} # transformer: a word is predicted from those before it alone`],
  },
  {
    name: "transformer: a step does not see its own word",
    file: "src/models/transformer/causal-block.ts",
    find: "memory.slice(1, 0, place + 1)",
    replace: "memory.slice(1, 0, Math.max(1, place))",
    tests: [`${shared} # transformer: words one at a time`],
  },
  {
    name: "transformer: every word is at the first place",
    file: "src/models/transformer/transformer.ts",
    find: "this.positions.slice(0, place, 1)",
    replace: "this.positions.slice(0, 0 * place, 1)",
    tests: [`${shared} # transformer: words one at a time`],
  },
  {
    name: "transformer: its MLP is no wider than that of mc-diffusion",
    file: "src/models/transformer/kind.ts",
    find: "? hiddenForModulation(dim, decoder.timesteps) : 0",
    replace: "? 0 * hiddenForModulation(dim, decoder.timesteps) : 0",
    tests: [`${transformer} # the transformer has the parameters of mc-diffusion`],
  },
  {
    name: "lstm: the first word is read before the picture",
    file: "src/models/lstm/lstm-decoder.ts",
    find: "concat([first, embedding(this.tokens, inputs)], 1)",
    replace: "concat([embedding(this.tokens, inputs), first], 1)",
    tests: [`${recurrent} # the LSTM and its loss against float64: codes by index`],
  },
  {
    name: "attention-lstm: the state does not learn where to look",
    file: "src/models/lstm/attention-lstm-decoder.ts",
    find: "tanh(add(keys.reshape([pictures, 1, positions, attention]), query))",
    replace: "tanh(add(keys.reshape([pictures, 1, positions, attention]), query.detach()))",
    tests: [`${recurrent} # the LSTM with attention and its loss against float64: codes by index`],
  },
  {
    name: "baselines: what follows the first [END] is learned, too",
    file: "shaders/generation/teacher.wgsl",
    find: "targets[i] = select(before, params.start, ended);",
    replace: "targets[i] = select(before, params.start, false);",
    tests: [`${recurrent} # the LSTM and its loss against float64: codes by index`],
  },
  {
    name: "baselines: the share of drawn words does not rise",
    file: "shaders/generation/teacher.wgsl",
    find: "f32(min(rng[2], params.ramp))",
    replace: "f32(min(rng[2] + params.ramp, params.ramp))",
    tests: [`${shared} # scheduled sampling`],
  },
  {
    name: "baselines: scheduled sampling reads the drawn word of its own place",
    file: "shaders/generation/teacher.wgsl",
    find: "select(tokens[i - 1u], drawn[i - 1u], own)",
    replace: "select(tokens[i - 1u], drawn[i], own)",
    tests: [`${shared} # scheduled sampling`],
  },
  {
    name: "beam search: a caption that has ended still pays for its words",
    file: "shaders/generation/beam.wgsl",
    find: "select(LOWEST, sum_of(row) / pow(f32(ended), params.alpha), word == params.end)",
    replace:
      "select(LOWEST, (sum_of(row) + log_probs[i]) / pow(f32(ended), params.alpha), word == params.end)",
    tests: [`${shared} # lstm: a beam of 1 takes the likeliest next word; wide beams find the best caption`],
  },
  {
    name: "beam search: an ended caption goes on with any word",
    file: "shaders/generation/beam.wgsl",
    find: "if (ended_of(parent) != 0u) {",
    replace: "if (ended_of(parent) > params.length) {",
    tests: [`${shared} # lstm: a beam of 1 takes the likeliest next word; wide beams find the best caption`],
  },
  {
    name: "beam search: the length is not normalised",
    file: "shaders/generation/beam.wgsl",
    find: "(sum_of(row) + log_probs[i]) / pow(f32(params.place + 1u), params.alpha)",
    replace: "(sum_of(row) + log_probs[i]) / pow(f32(params.place + 1u), 0.0 * params.alpha)",
    tests: [`${shared} # lstm: a beam of 1 takes the likeliest next word; wide beams find the best caption`],
  },
  {
    name: "beam search: all beams start alike",
    file: "src/models/autoregressive/beam.ts",
    find: "if (row % beams !== 0) state",
    replace: "if (row % beams > beams) state",
    tests: [`${shared} # lstm: a beam of 1 takes the likeliest next word; wide beams find the best caption`],
  },
  {
    name: "beam search: the memory does not follow the beams",
    file: "src/models/autoregressive/generate.ts",
    find: "place === 0 || beams.beams === 1 ? memory",
    replace: "place >= 0 || beams.beams === 1 ? memory",
    tests: [`${shared} # lstm: a beam of 1 takes the likeliest next word; wide beams find the best caption`],
  },
  {
    name: "baselines: guidance leaves out the scale",
    file: "src/models/autoregressive/generate.ts",
    find: "mixBranches(next.logits, weight)",
    replace: "mixBranches(next.logits, Math.min(weight, 1))",
    tests: [`${shared} # lstm: guidance, given words`],
  },
  {
    name: "baselines: a caption may end in a gap",
    file: "src/models/impossible-words.ts",
    find: "if (words?.gap[i]) penalty[i * vocabulary + endId] = impossible;",
    replace: "if (words?.gap[i]) penalty[i * vocabulary + endId] = 0;",
    tests: [`${shared} # lstm: guidance, given words`],
  },
  {
    name: "baselines: words are drawn without truncation",
    file: "src/models/autoregressive/generate.ts",
    find: "{ temperature: temperature || 1, topR, greedy: temperature === 0 }",
    replace: "{ temperature: temperature || 1, topR: Math.max(1, topR), greedy: temperature === 0 }",
    tests: [`${shared} # lstm: drawn words have the probabilities of the network`],
  },
  {
    name: "baselines: log p counts the [END]s that fill a caption",
    file: "src/models/autoregressive/likelihood.ts",
    find: "const words = end < 0 ? length : end + 1;",
    replace: "const words = end < 0 ? length : end;",
    tests: [`${shared} # lstm: log p is exact`],
  },
  {
    name: "baselines: a temperature does not mean drawing words",
    file: "src/models/sampling-settings.ts",
    find: "beam: given.beam ?? (given.temperature === undefined && given.topR === undefined ? undefined : 0),",
    replace: "beam: given.beam,",
    tests: [`${captioner} # lstm: a stored captioner`],
  },
  {
    name: "baselines: scheduled sampling is not read",
    file: "src/models/autoregressive/objective.ts",
    find: "decoder.logits(inputs, prepared, { random, checkpointing: options.checkpointing })",
    replace: "decoder.logits(words, prepared, { random, checkpointing: options.checkpointing })",
    tests: [`${shared} # scheduled sampling`],
  },
  {
    name: "first weights: words are taken by their place",
    file: "src/training/initial-weights.ts",
    find: "if (entry >= 0) copy(id, entry);",
    replace: "if (entry >= 0) copy(id, id);",
    tests: [`${initial} # lstm: entries of words`],
  },
  {
    name: "first weights: the symbol behind the words is forgotten",
    file: "src/training/initial-weights.ts",
    find: "for (let i = 0; i < beyond; i++) copy(from.length + i, before + i);",
    replace: "for (let i = 0; i < beyond; i++) copy(from.length + i, i);",
    tests: [`${initial} # lstm: entries of words`],
  },
  {
    name: "first weights: what the network lacks is passed over",
    file: "src/training/initial-weights.ts",
    find: "&& !names.has(key))",
    replace: "&& names.size < 0)",
    tests: [`${initial} # tensors that the run's network lacks`],
  },
  {
    name: "first weights: the decoder does not get them",
    file: "src/training/pipeline.ts",
    find: "(await initial?.(stage, captioner)) ??",
    replace: '(stage === "vqvae" && (await initial?.(stage, captioner))) ||',
    tests: [`${initial} # a run trains the decoder alone`],
  },
  {
    name: "baselines: beams are ranked as one word longer",
    file: "shaders/generation/beam.wgsl",
    find: "f32(params.place + 1u), params.alpha",
    replace: "f32(params.place + 2u), params.alpha",
    tests: [`${shared} # beams are those`],
  },
  {
    name: "baselines: the partial branch remembers the full one's words",
    file: "shaders/generation/beam.wgsl",
    find: "= branch * params.rows + parent;",
    replace: "= parent;",
    tests: [`${shared} # beams are those`],
  },
  {
    name: "baselines: a new decoder begins with the old one's weights",
    file: "src/cli/train-stages.ts",
    find: 'init !== null && !(stage === "decoder" && init.newDecoder)',
    replace: "init !== null",
    tests: ["commands/baselines.test.ts # fine-tuning"],
  },
];
