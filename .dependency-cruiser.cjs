/**
 * The layers of src/, lowest first: the one place that says which folder may import which. A file may import its own layer
 * and those below it. `npm run check` enforces this, and that no files import each other in a circle.
 */
const layers = [
  ["platform"],
  ["io", "text", "metrics", "report", "config/schema.ts"],
  ["engine/gpu"],
  ["engine/tensor"],
  ["engine/ops"],
  ["engine/nn", "engine/optim"],
  ["engine/weights"],
  ["weight-files"],
  ["engine/index.ts", "ops.ts", "chain.ts", "nn.ts"],
  ["diffusion"],
  ["models"],
  ["config"],
  ["data"],
  ["captioner"],
  ["evaluation"],
  ["training"],
  ["index.ts"],
  ["node"],
  ["cli"],
];

/** What alone may import Node's modules and packages: files, and folders with a final slash. */
const knowsNode = [
  "platform/",
  "node/",
  "cli/",
  "node.ts",
  "start.ts",
  "train.ts",
  "caption.ts",
  "evaluate.ts",
  "align.ts",
  "judge.ts",
  "import.ts",
  "encode.ts",
  "inspect.ts",
  "score.ts",
  "samples.ts",
  "runs.ts",
  "kernel-types.ts",
  "mc-diffusion.ts",
];

/** @param {readonly string[]} places */
const inside = (places) =>
  `^src/(${places.map((place) => place.replace(".", "\\.") + (place.endsWith(".ts") ? "$" : "/")).join("|")})`;

const upwards = layers.slice(0, -1).map((layer, i) => ({
  name: `${layer.join(", ")}: imports nothing above it`,
  severity: "error",
  from: { path: inside(layer) },
  to: {
    path: [
      inside(layers.slice(i + 1).flat()),
      "^src/(training|clip|report|metrics|node|cli|debug|baselines|samplers|start|train|caption|evaluate|align|judge|import|encode|inspect|score|samples|runs|scenes|kernel-types|mc-diffusion|vqgan)\\.ts$",
    ],
    // A file that is named apart from its folder.
    pathNot: inside(layers.slice(0, i + 1).flat()),
  },
}));

module.exports = {
  forbidden: [
    ...upwards,
    {
      name: "every folder has a layer",
      severity: "error",
      from: { path: "^src/[^/]+/", pathNot: inside(layers.flat()) },
      to: {},
    },
    {
      name: "only platform, cli and the commands know Node",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/(${knowsNode.join("|").replaceAll(".", "\\.")})` },
      // CLIP's tokenizer and METEOR's stemmer are loaded when they are named; both packages are pure functions, the same in Node and in pages.
      to: { dependencyTypes: ["core", "npm", "npm-dev"], pathNot: "^node_modules/(entities|porter2)/" },
    },
    {
      name: "the parts of a Gpu do not know it",
      severity: "error",
      from: { path: "^src/engine/gpu/" },
      to: { path: "^src/engine/gpu/gpu\\.ts$" },
    },
    {
      name: "no circle",
      comment: "The tape knows tensors by their type alone, and tensors record their views on the tape.",
      severity: "error",
      from: { pathNot: "^src/engine/tensor/(tape|tensor)\\.ts$" },
      to: { circular: true },
    },
  ],
  options: { tsPreCompilationDeps: true, doNotFollow: { path: "node_modules" }, parser: "swc" },
};
