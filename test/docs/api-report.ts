/**
 * The API report: every name that a door of the package exports, with its signature, so that a review shows each change of
 * the API. `npm run api` writes it to docs/api/, one file a door; api.test.ts compares.
 */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { CompilerState, Extractor, ExtractorConfig, ExtractorLogLevel } from "@microsoft/api-extractor";

/** A door: `specifier` is what a program imports, `file` the name of its report, `types` its declarations. */
export interface Door {
  readonly specifier: string;
  readonly file: string;
  readonly types: string;
}

interface Package {
  readonly name: string;
  readonly exports: Record<string, string | { types: string; default: string }>;
}

/** The doors in package.json; those with the declarations of another (the bundles for browsers) count once. */
export async function doorsOf(root: string): Promise<Door[]> {
  const { name, exports } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Package;
  const doors = new Map<string, Door>();
  for (const [path, entry] of Object.entries(exports)) {
    if (typeof entry === "string" || doors.has(entry.types)) continue;
    const file = `${path === "." ? name : basename(path)}.api.md`;
    doors.set(entry.types, { specifier: path.replace(".", name), file, types: entry.types });
  }
  return [...doors.values()];
}

/** API Extractor's configuration for the report of a door's declarations, which `npm run build` wrote, into `folder`. */
function configOf(root: string, door: Door, doors: readonly Door[], folder: string): ExtractorConfig {
  return ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, "package.json"),
    configObject: {
      projectFolder: root,
      newlineKind: "lf",
      mainEntryPointFilePath: join(root, door.types),
      compiler: {
        overrideTsconfig: {
          extends: join(root, "tsconfig.json"),
          compilerOptions: { rootDir: ".", incremental: false },
          include: doors.map(({ types }) => types),
          exclude: [],
        },
      },
      apiReport: {
        enabled: true,
        reportFileName: door.file,
        reportFolder: folder,
        reportTempFolder: join(folder, "temporary"),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
        extractorMessageReporting: {
          default: { logLevel: ExtractorLogLevel.None },
          // A type that a signature names and no door exports.
          "ae-forgotten-export": { logLevel: ExtractorLogLevel.None, addToApiReportFile: true },
        },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
  });
}

/** Writes the reports. One program of the compiler has all doors: most of the time goes into making it. */
function extractAll(root: string, doors: readonly Door[], folder: string): void {
  const configs = doors.map((door) => configOf(root, door, doors, folder));
  const compilerState = CompilerState.create(configs[0]!, {
    additionalEntryPoints: doors.map(({ types }) => join(root, types)),
  });
  for (const config of configs) extract(root, config, compilerState);
}

function extract(root: string, config: ExtractorConfig, compilerState: CompilerState): void {
  const problems: string[] = [];
  const { errorCount } = Extractor.invoke(config, {
    localBuild: true,
    compilerState,
    messageCallback(message) {
      if (message.logLevel === "error") problems.push(message.formatMessageWithLocation(root));
      message.handled = true;
    },
  });
  if (errorCount > 0)
    throw new Error(`API Extractor on ${config.mainEntryPointFilePath}:\n${problems.join("\n")}`);
}

/** The declarations of a report: blocks between blank lines, without API Extractor's frame and its release tags. */
function blocksOf(report: string): string[] {
  const code = report.slice(report.indexOf("```ts") + 5, report.lastIndexOf("```"));
  return code
    .split(/\n\n(?=\S)/)
    .map((block) =>
      block
        .trim()
        .replace(/^\/\/ @public( \(undocumented\))?\n/m, (_, mark) => (mark ? "// (undocumented)\n" : ""))
        .replace(/Warning: \(ae-forgotten-export\) The symbol "(\w+)" needs .*/g, "Not exported: $1")
        .replace(/^\/\/\n/gm, "")
        // Positions change with every edit of a file.
        .replace(
          /^\/\/ (dist\/.*?):\d+:\d+ - \(ae-forgotten-export\) The symbol "(\w+)".*/gm,
          "// Not exported: $2 ($1)",
        ),
    )
    .filter((block) => block !== "" && !block.startsWith("// (No @packageDocumentation"))
    .filter((block) => !block.startsWith("// Warnings were encountered"));
}

/** The name that a block declares. */
const nameOf = (block: string): string | undefined =>
  /^export (?:declare )?(?:abstract )?(?:class|const|function|interface|type|let) (\w+)/m.exec(block)?.[1];

/** Kernels are generated from the WGSL, thousands of lines: the names of their entry points say enough. */
function shortened(block: string): string {
  // The kernels stand in the order that makes the bundle smallest, which is no part of the API.
  if (block.startsWith("declare namespace"))
    return block.replace(/(?:^ {8}\w.*\n)+/m, (lines) =>
      lines
        .replace(/([^,])\n$/, "$1,\n")
        .split(/(?<=\n)/)
        .sort()
        .join(""),
    );
  if (!/^const \w+: \{\n {4}\w+: Kernel</m.test(block)) return block;
  const entries = [...block.matchAll(/^ {4}(\w+): Kernel</gm)].map(([, entry]) => entry);
  return `${/^const \w+/m.exec(block)![0]}: kernels ${entries.join(", ")}`;
}

/** The reports by file name. Declarations that an earlier door exports too are listed there, and here by name alone. */
export async function apiReports(root: string): Promise<Map<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "api-report-"));
  try {
    const doors = await doorsOf(root);
    const blocks = new Map<Door, string[]>();
    extractAll(root, doors, folder);
    for (const door of doors) {
      blocks.set(door, blocksOf(await readFile(join(folder, door.file), "utf8")).map(shortened));
    }
    // The smaller door has the declarations, the larger one the reference.
    const bySize = [...doors].sort((a, b) => blocks.get(a)!.length - blocks.get(b)!.length);
    const reports = new Map<string, string>();
    for (const [place, door] of bySize.entries()) {
      let rest = blocks.get(door)!;
      const references: string[] = [];
      for (const smaller of bySize.slice(0, place)) {
        const there = new Set(blocks.get(smaller));
        const shared = rest.filter((block) => there.has(block) && nameOf(block) !== undefined);
        if (shared.length === 0) continue;
        rest = rest.filter((block) => !shared.includes(block));
        const names = shared.map((block) => `  ${nameOf(block)},\n`).join("");
        references.push(`// As in ${smaller.specifier}:\nexport {\n${names}};`);
      }
      const title = `# \`${door.specifier}\`\n\nGenerated by \`npm run api\`. Do not edit.\n`;
      reports.set(door.file, `${title}\n\`\`\`ts\n${[...references, ...rest].join("\n\n")}\n\`\`\`\n`);
    }
    return reports;
  } finally {
    await rm(folder, { recursive: true });
  }
}
