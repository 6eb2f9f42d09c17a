/**
 * The system's Firefox, headless, driven over WebDriver BiDi: what Debian calls firefox-esr, or what MCD_FIREFOX names (its
 * path). Its WebGPU is wgpu and naga, as Deno's.
 */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, launch, type Page } from "puppeteer-core";
import { bundle } from "../browser/bundle.js";
import { serve } from "../browser/server.js";
import { driverEnvironment, noDriver } from "./drivers.js";
import { pageTests } from "./page-tests.js";
import { type Missing, type Runtime, RuntimeError } from "./runtime.js";

/** Milliseconds for one test: software adapters compile some kernels for seconds. */
const patience = 900_000;

const preferences = {
  "dom.webgpu.enabled": true,
  "dom.webgpu.workers.enabled": true,
  // Firefox on Linux takes no software adapter by itself.
  "gfx.webgpu.ignore-blocklist": true,
};

/** Its path. */
export function firefoxPath(): string | Missing {
  const without = noDriver("Firefox");
  if (without) return without;
  const own = process.env.MCD_FIREFOX;
  if (own) return existsSync(own) ? own : { missing: `MCD_FIREFOX names ${own}, which does not exist` };
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of ["firefox-esr", "firefox"]) {
      if (existsSync(join(folder, name))) return join(folder, name);
    }
  }
  return {
    missing: "Firefox is not installed (Debian: firefox-esr); MCD_FIREFOX=/path/to/firefox names another one",
  };
}

/** Starts Firefox with WebGPU and a fresh profile: no shader of an earlier run is in its cache. */
export async function launchFirefox(path: string): Promise<Browser> {
  try {
    return await launch({
      browser: "firefox",
      executablePath: path,
      headless: true,
      protocolTimeout: patience,
      env: { ...process.env, ...driverEnvironment() },
      extraPrefsFirefox: preferences,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : error;
    throw new RuntimeError(`Firefox does not start here (${reason})`);
  }
}

/** Messages by which Firefox itself tells of a shader that does not compile. Tests make such ones and look at the error. */
const ofTheBrowser = /^\s*(Encountered one or more errors while creating shader module|Shader '[^']*' )/;

/** A page, and its warnings, errors and exceptions as they come. */
export async function openFirefoxPage(
  browser: Browser,
  url: string,
): Promise<{ page: Page; problems: string[] }> {
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    const type = message.type();
    if ((type === "warn" || type === "error") && !ofTheBrowser.test(message.text()))
      problems.push(`console ${type}: ${message.text()}`);
  });
  page.on("pageerror", (error) =>
    problems.push(`not caught: ${error instanceof Error ? error.message : error}`),
  );
  await page.goto(url);
  return { page, problems };
}

/** Starts Firefox for the tests of `modules`, which may fetch `files`. */
export async function startFirefox(
  path: string,
  modules: readonly string[],
  files: ReadonlyMap<string, string | Uint8Array>,
): Promise<Runtime> {
  const browser = await launchFirefox(path);
  const site = await serve({ files: new Map([...files, ...(await bundle(modules))]) });
  let adapter = "";
  return {
    version: (await browser.version()).replace(/^firefox\//i, "Firefox "),
    implementation: "wgpu",
    async adapter() {
      return adapter;
    },
    async *tests(module) {
      const { page, problems } = await openFirefoxPage(
        browser,
        `${site.url}/${module.replace(/js$/, "html")}`,
      );
      await page.waitForFunction("globalThis.mcdLoaded", { timeout: 60_000 }).catch(() => {});
      yield* pageTests(page, problems, (name) => {
        adapter = name;
      });
    },
    async close() {
      await browser.close();
      await site.close();
    },
  };
}
