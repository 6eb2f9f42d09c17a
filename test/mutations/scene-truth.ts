/** Deliberate mistakes in what is true of captions of scenes. */

import type { Mutation } from "./mutation.js";

const truth = "data/scenes-truth.test.ts";
const table = "evaluation/scene-truth.test.ts";

export const sceneTruth: readonly Mutation[] = [
  {
    name: "scene truth: a relation of what the picture does not show counts as right",
    file: "src/data/scenes/truth.ts",
    find: 'if (a === null || b === null) return "absent";',
    replace: 'if (a === null || b === null) return "right";',
    tests: [`${truth} # relations`],
  },
  {
    name: "scene truth: a relation is judged the other way round",
    file: "src/data/scenes/truth.ts",
    find: "relationOf(first, second, later) === relation",
    replace: "relationOf(second, first, later) === relation",
    tests: [`${truth} # relations`],
  },
  {
    name: "scene truth: half a relation is none",
    file: "src/data/scenes/truth.ts",
    find: "dangling > 0 ? 0 : strict(related)",
    replace: "strict(related)",
    tests: [`${truth} # relations`],
  },
  {
    name: "scene truth: everything on a line is between",
    file: "src/data/scenes/truth.ts",
    find: "isBetween([first, one, other]) || isBetween([first, other, one])",
    replace: "isBetween([first, one, other]) || !isBetween([one, first, other])",
    tests: [`${truth} # next to`],
  },
  {
    name: "scene truth: next to is true at any distance",
    file: "src/data/scenes/truth.ts",
    find: "areNextTo(first, second, scene.size)",
    replace: "areNextTo(first, second, 10 * scene.size)",
    tests: [`${truth} # next to`],
  },
  {
    name: "scene truth: them is the last thing alone",
    file: "src/data/scenes/relation-forms.ts",
    find: "[related(r!, [a!], [b!]), related(s!, [c!], [a!, b!])]",
    replace: "[related(r!, [a!], [b!]), related(s!, [a!], [a!, b!])]",
    tests: [`${truth} # next to`],
  },
  {
    name: "scene truth: one of several is a right number",
    file: "src/data/scenes/truth.ts",
    find: "noun.count > 1 || there > 1 ?",
    replace: "noun.count > 1 ?",
    tests: [`${truth} # numbers`],
  },
  {
    name: "scene truth: numbers of foreign things are left out",
    file: "src/data/scenes/truth.ts",
    find: 'return noun.count > 1 ? "absent" : null;',
    replace: "return null;",
    tests: [`${truth} # numbers`],
  },
  {
    name: "scene truth: a big truck is never a truck that is big",
    file: "src/data/scenes/noun-reader.ts",
    find: "if (size && said.size === null)",
    replace: "if (size && said.size === null && !name)",
    tests: [`${truth} # sizes`],
  },
  {
    name: "scene truth: a woman doctor is a woman",
    file: "src/data/scenes/noun-reader.ts",
    find: "if (gender && said.gender === null) further",
    replace: "if (gender && said.gender === null && !name) further",
    tests: [`${truth} # sizes`],
  },
  {
    name: "scene truth: the order of a gradient's colours is free",
    file: "src/data/scenes/ground-reader.ts",
    find: 'ordered: !wording.includes("A and B")',
    replace: 'ordered: wording.includes("with")',
    tests: [`${truth} # grounds`],
  },
  {
    name: "scene truth: left and right of the picture are swapped",
    file: "src/data/scenes/caption-reader.ts",
    find: 'across: side === "left" ? 0 : 2',
    replace: 'across: side === "left" ? 2 : 0',
    tests: [`${truth} # grounds`],
  },
  {
    name: "scene truth: relation words are about their subject alone",
    file: "src/data/scenes/told.ts",
    find: "[...claim.from, ...claim.to]",
    replace: "claim.from",
    tests: [`${truth} # all captions`],
  },
  {
    name: "scene truth: precision is recall",
    file: "src/data/scenes/truth-scores.ts",
    find: "terms: ({ named, namedRight }) => [namedRight, named]",
    replace: "terms: ({ things, namedRight }) => [namedRight, things]",
    tests: [`${truth} # scores`],
  },
  {
    name: "scene truth: captions of another set are not read anew",
    file: "src/data/scenes/truth-scores.ts",
    find: "if (last?.of !== of) last =",
    replace: "if (!last) last =",
    tests: [`${truth} # scores`, `${table} # the table`],
  },
  {
    name: "scene truth: scenes in the order of the list, whatever the picture",
    file: "src/evaluation/table/scene-columns.ts",
    find: "scenes: images.map(scene)",
    replace: "scenes: images.map((_, i) => scene(i))",
    tests: [`${table} # the table`],
  },
  {
    name: "scene truth: the references are scored against themselves",
    file: "src/evaluation/table/model-table.ts",
    find: 'if (method === "references") return measureReferences(said, columns, pictures);',
    replace:
      'if (method === "references" && said.length > 99) return measureReferences(said, columns, pictures);',
    tests: [`${table} # other columns`],
  },
  {
    name: "baselines: nearest pictures are searched among all, whatever is asked for",
    file: "src/evaluation/evaluation.ts",
    find: 'baselines ? recordsOf(dataset, "train", neighbours) : []',
    replace: 'baselines ? recordsOf(dataset, "train", Math.min(0, neighbours)) : []',
    tests: ["evaluation/evaluation.test.ts # nearest pictures"],
  },
];
