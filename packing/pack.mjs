/**
 * `npm run pack`: the package as npm gets it, in .package/, and packed. Its JavaScript has neither comments nor indentation (the
 * declarations keep them), and nothing is in it that only a checkout needs.
 */

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { bundle } from "./bundle.mjs";
import { declarations } from "./declarations.mjs";
import { readmeForNpm } from "./readme.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Copied as they are. */
const COPIED = [
  "LICENSE",
  "weights/emoji/config.json",
  "weights/emoji/model.safetensors",
  "wordnet/LICENSE",
  "wordnet/wordnet-3.0.txt.gz",
];
/** Documents whose links are put right. */
const DOCUMENTS = ["README.md", "weights/emoji/README.md"];
/** Packages of which a few functions are used: they lie in the files that import them, instead of a megabyte beside the package. */
const INLINED = ["entities", "pngjs", "yaml"];
/** Programs of a checkout: they need its data sets. */
const LEFT_OUT = ["start"];

/** Fields of package.json that only a checkout needs. */
const OWN_FIELDS = ["private", "files", "imports", "scripts", "devDependencies", "allowScripts"];

/** Leaves all imports as they are, but those of and within the inlined packages. @type {import("esbuild").Plugin} */
const inlined = {
  name: "inlined",
  setup({ onResolve }) {
    onResolve({ filter: /.*/ }, ({ path, kind, importer }) => {
      if (isBuiltin(path)) return { path, external: true };
      if (kind === "entry-point" || importer.includes("node_modules")) return undefined;
      return INLINED.includes(/** @type {string} */ (path.split("/")[0]))
        ? undefined
        : { path, external: true };
    });
  },
};

/**
 * Makes the package's folder.
 *
 * @param {string} folder is emptied first
 */
export async function stage(folder) {
  rmSync(folder, { recursive: true, force: true });
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  /** @param {string} path @param {string} text */
  const write = (path, text) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  for (const path of COPIED) cpSync(join(root, path), join(folder, path), { recursive: true });
  for (const path of DOCUMENTS) {
    const place = path.replace(/[^/]+$/, "");
    write(path, readmeForNpm(readFileSync(join(root, path), "utf8"), manifest.repository?.url, place));
  }
  const entryPoints = [];
  for (const source of /** @type {string[]} */ (readdirSync(join(root, "src"), { recursive: true }))) {
    // What dist/ has of sources that are gone stays behind.
    const name = source.replace(/\.ts$/, "");
    if (name === source || LEFT_OUT.includes(name)) continue;
    entryPoints.push(join(root, `dist/${name}.js`));
  }
  // Without whitespace esbuild drops the marks of calls that bundlers may leave out.
  const marked = entryPoints.filter((path) => /[@#]__/.test(readFileSync(path, "utf8")));
  // pngjs is CommonJS and asks for Node's modules by `require`.
  const requiring = entryPoints.filter((path) => readFileSync(path, "utf8").includes('from "pngjs"'));
  const plain = entryPoints.filter((path) => !marked.includes(path) && !requiring.includes(path));
  const require = `import{createRequire}from"node:module";const require=createRequire(import.meta.url);`;
  for (const [files, minifyWhitespace, banner] of /** @type {const} */ ([
    [plain, true, ""],
    [marked, false, ""],
    [requiring, true, require],
  ])) {
    await build({
      entryPoints: files,
      banner: { js: banner },
      mainFields: ["main"],
      outbase: join(root, "dist"),
      outdir: join(folder, "dist"),
      bundle: true,
      plugins: [inlined],
      minifyWhitespace,
      format: "esm",
      platform: "neutral",
      target: "es2022",
      logLevel: "warning",
    });
  }
  for (const [path, text] of declarations(root, manifest.exports)) write(path, text);
  await bundle(join(folder, "dist/browser"));
  for (const field of OWN_FIELDS) delete manifest[field];
  for (const name of INLINED) delete manifest.dependencies[name];
  const licences = INLINED.map(
    (name) => `${name}\n\n${readFileSync(join(root, "node_modules", name, "LICENSE"), "utf8").trim()}\n`,
  );
  write("THIRD-PARTY-LICENSES", licences.join("\n----\n\n"));
  manifest.sideEffects = manifest.sideEffects.filter((/** @type {string} */ path) =>
    existsSync(join(folder, path)),
  );
  write("package.json", `${JSON.stringify(manifest, null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { stage: { type: "string" }, out: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help) {
    console.log(`npm run pack -- [--stage FOLDER] [--out FOLDER]
Makes the package's folder (default .package/, emptied first) and the packed file in --out (default: here). Build first.`);
  } else {
    const folder = values.stage ?? join(root, ".package");
    await stage(folder);
    const { repository } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    if (!repository)
      console.error(
        "package.json names no repository: the packed README has no pictures and no links to other files.",
      );
    const out = values.out ?? root;
    const packed = execFileSync("npm", ["pack", folder, "--json", "--pack-destination", out], {
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    const [{ filename, size, unpackedSize, entryCount }] = JSON.parse(packed);
    console.log(
      `${join(out, filename)}: ${(size / 1e6).toFixed(2)} MB, unpacked ${(unpackedSize / 1e6).toFixed(2)} MB in ${entryCount} files`,
    );
  }
}
