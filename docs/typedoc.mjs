/** API pages: `npm run docs` writes them to docs/api-pages/, which git ignores. An undocumented export is an error. */

import { readFileSync } from "node:fs";
import { OptionDefaults } from "typedoc";

const { exports, repository } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

/** The doors of the package as sources; the bundles for browsers have the declarations of others. */
const declarations = Object.values(exports).flatMap((entry) => entry.types ?? []);
const entryPoints = [...new Set(declarations)].map((path) =>
  path.replace("./dist/", "../src/").replace(/\.d\.ts$/, ".ts"),
);

export default {
  name: "MC-Diffusion",
  entryPoints,
  // The kernels: their documentation is the WGSL.
  exclude: ["**/*.generated.ts"],
  tsconfig: "../tsconfig.json",
  out: "api-pages",
  readme: "none",
  highlightLanguages: ["typescript", "javascript", "wgsl"],
  excludePrivate: true,
  excludeInternal: true,
  disableGit: true,
  gitRevision: "HEAD",
  basePath: "..",
  displayBasePath: "..",
  // Without a repository the pages link to the files of the checkout that they lie in.
  sourceLinkTemplate: `${repository ? `${repository.url ?? repository}/blob/{gitRevision}` : "../../.."}/{path}#L{line}`,
  // Marks in the WGSL of examples.
  blockTags: [...OptionDefaults.blockTags, "@tune", "@variant"],
  requiredToBeDocumented: [
    "Class",
    "Interface",
    "Function",
    "Variable",
    "TypeAlias",
    "Enum",
    "Method",
    "Accessor",
  ],
  validation: { notExported: false, notDocumented: true, invalidLink: true, invalidPath: true },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
};
