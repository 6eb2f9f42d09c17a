/** Deliberate mistakes in VQGAN, its import, and the codes kept on disk. */

import type { Mutation } from "./mutation.js";

const values = "models/vqgan/vqgan.test.ts";
const checkpoint = "models/vqgan/checkpoint.test.ts";
const store = "cli/code-store.test.ts";
const commands = "commands/vqgan.test.ts";

export const vqgan: readonly Mutation[] = [
  {
    name: "vqgan: group norm has the ε of the VQ-VAE",
    file: "src/models/vqgan/layers.ts",
    find: "epsilon: 1e-6,",
    replace: "epsilon: 1e-5,",
    tests: [`${values} # nn`],
  },
  {
    name: "vqgan: halving pads left and above",
    file: "src/models/vqgan/layers.ts",
    find: "padding: { right: 1, bottom: 1 }",
    replace: "padding: { left: 1, top: 1 }",
    tests: [`${values} # nn`],
  },
  {
    name: "vqgan: an attention replaces what it should be added to",
    file: "src/models/vqgan/layers.ts",
    find: "this.attention.forward(normed, { residual: x.reshape(places) })",
    replace: "this.attention.forward(normed)",
    tests: [`${values} # nn`],
  },
  {
    name: "vqgan: the query is joined where the value belongs",
    file: "src/models/vqgan/checkpoint.ts",
    find: '[".q.$1", ".k.$1", ".v.$1"]',
    replace: '[".v.$1", ".k.$1", ".q.$1"]',
    tests: [`${values} # nn`],
  },
  {
    name: "vqgan: every pass takes the first pictures",
    file: "src/models/vqgan/vqgan.ts",
    find: "body(input.slice(0, first, count))",
    replace: "body(input.slice(0, 0, count))",
    tests: [`${values} # many pictures`],
  },
  {
    name: "vqgan: codes are not mapped to ids",
    file: "shaders/vqgan/code-map.wgsl",
    find: "id[i] = u32(map[min(code[i], params.codes - 1u)]);",
    replace: "id[i] = code[i] + 0u * u32(map[0]);",
    tests: [`${values} # ids of codes in use`],
  },
  {
    name: "vqgan: ids count codes without use",
    file: "src/models/vqgan/code-map.ts",
    find: "(used.has(code) ? ++ids : 0)",
    replace: "(++ids, used.has(code) ? ids : 0)",
    tests: [checkpoint],
  },
  {
    name: "vqgan: an id is the last code that has it",
    file: "src/models/vqgan/code-map.ts",
    find: "if (codes[id] === -1) codes[id] = code;",
    replace: "codes[id] = code;",
    tests: [checkpoint],
  },
  {
    name: "vqgan: a configuration of another checkpoint is taken",
    file: "src/models/vqgan/config-file.ts",
    find: "JSON.stringify(said) === JSON.stringify(value)",
    replace: "typeof said === typeof value",
    tests: [checkpoint],
  },
  {
    name: "codes on disk: damaged files are taken",
    file: "src/cli/code-store.ts",
    find: '(await hash("sha-256", body)) !== check',
    replace: 'check === ""',
    tests: [store],
  },
  {
    name: "codes on disk: ids are the codes before their map",
    file: "src/cli/code-store.ts",
    find: "codes.map((code) => base!.map[code]!)",
    replace: "codes.map((code) => code)",
    tests: [store],
  },
  {
    name: "codes on disk: nothing is kept",
    file: "src/cli/code-store.ts",
    find: "if (!this.writes) return;",
    replace: "if (this.writes) return;",
    tests: [store],
  },
  {
    name: "weights: a frozen tokenizer is rounded to float16",
    file: "src/captioner/files.ts",
    find: '(!model.trainsTokenizer && name.startsWith("vqvae."))',
    replace: '(model.trainsTokenizer && name.startsWith("vqvae."))',
    tests: [`${commands} # train.js`],
  },
  {
    name: "runs: another tokenizer than the run began with is taken",
    file: "src/training/frozen-tokenizer.ts",
    find: "if (found.weights.sha256 !== own[weights.sha256])",
    replace: 'if (found.weights.sha256 === "")',
    tests: [`${commands} # train.js`],
  },
];
