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
    find: "const above = halves ? 0 : 1;",
    replace: "const above = 1;",
    tests: [`${values} # nn`],
  },
  {
    name: "vqgan: an attention replaces what it should be added to",
    file: "src/models/vqgan/layers.ts",
    find: "this.attention.forward(normed!.reshape(places), { residual: whole.reshape(places) })",
    replace: "this.attention.forward(normed!.reshape(places))",
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
  {
    name: "vqgan: a strip sees the first row of the one above",
    file: "src/models/vqgan/strips.ts",
    find: "before.slice(1, rowsOf(before) - above, above)",
    replace: "before.slice(1, 0, above)",
    tests: [`${values} # strips`],
  },
  {
    name: "vqgan: a strip ends as the picture does",
    file: "src/models/vqgan/layers.ts",
    find: "const bottom = i === x.length - 1 ? 1 : 0;",
    replace: "const bottom = 1;",
    tests: [`${values} # strips`],
  },
  {
    name: "vqgan: the norm's sums of a strip overwrite those of the one above",
    file: "src/models/vqgan/strips.ts",
    find: "      row += count;\n",
    replace: "",
    tests: [`${values} # strips`],
  },
  {
    name: "vqgan: strips are cut anywhere, and halved later",
    file: "src/models/vqgan/strips.ts",
    find: "unit * Math.round(((i + 1) * rows) / (count * unit))",
    replace: "Math.round(((i + 1) * rows) / count)",
    tests: [`${values} # strips`],
  },
  {
    name: "vqgan: strips have no room for their neighbours' rows",
    file: "src/models/vqgan/strips.ts",
    find: "Math.floor(bytes / rowBytes) - 2;",
    replace: "Math.floor(bytes / rowBytes) + 6;",
    tests: [`${values} # strips`],
  },
  {
    name: "vqgan: every part of the grid has the first part's codes",
    file: "src/models/vqgan/quantizer.ts",
    find: "this.codesOf(rows.slice(0, first, count))",
    replace: "this.codesOf(rows.slice(0, 0, count))",
    tests: [`${values} # strips`],
  },
];
