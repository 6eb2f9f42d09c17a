/** The packed file, and projects that have it installed. */

import { execFile, execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import tap from "tap";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** What package.json of the packed file says. */
export interface Manifest {
  version: string;
  exports: Record<string, string | Record<string, string>>;
  sideEffects: string[];
  bin: Record<string, string>;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, { optional?: boolean }>;
}

export interface Packed {
  /** The unpacked file. */
  readonly folder: string;
  readonly file: string;
  readonly manifest: Manifest;
  /** Paths in it. */
  readonly paths: readonly string[];
  /** Bytes of the packed file. */
  readonly size: number;
}

/** A folder that goes at the end of the test file. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "package-"));
  tap.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Packs the project as `npm run pack` does, and unpacks it. */
export function pack(): Packed {
  const folder = scratch();
  const program = [join(root, "packing/pack.mjs"), "--stage", join(folder, "stage"), "--out", folder];
  execFileSync(process.execPath, program, { env: environment(), stdio: "pipe" });
  const manifest = JSON.parse(readFileSync(join(folder, "stage/package.json"), "utf8")) as Manifest;
  const file = join(folder, `mc-diffusion-${manifest.version}.tgz`);
  execFileSync("tar", ["-xzf", file, "-C", folder]);
  const unpacked = join(folder, "package");
  const paths = readdirSync(unpacked, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(unpacked, join(entry.parentPath, entry.name)));
  return { folder: unpacked, file, manifest, paths, size: statSync(file).size };
}

/** An empty project with the package, its dependencies, and of its optional peers the ones that are named. */
export function project({ folder, manifest }: Packed, peers: readonly string[]): string {
  const place = scratch();
  const modules = join(place, "node_modules");
  mkdirSync(modules);
  cpSync(folder, join(modules, "mc-diffusion"), { recursive: true });
  for (const name of [...Object.keys(manifest.dependencies), ...peers]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  writeFileSync(join(place, "package.json"), JSON.stringify({ type: "module" }));
  return place;
}

/** This process's environment without tap's hooks. */
export function environment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...own } = process.env;
  return own;
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end. */
export function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { cwd, env: { ...environment(), ...env }, maxBuffer: 1 << 26 },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
      },
    );
  });
}

/** A picture that the shipped model has not been trained on, 64×64 pixels. */
export const photo = join(root, "examples/pictures/waving-hand.png");
