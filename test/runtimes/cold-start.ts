#!/usr/bin/env node
/**
 * `npm run cold-start -- firefox`: the time from opening the page (the start of its navigation; not that of the browser) to its
 * first caption in a browser that has compiled nothing yet, the processor time of all its processes until then, and what the status line said meanwhile.
 */

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Option } from "commander";
import { commandLine, runCommand } from "../../dist/cli/options.js";
import { UserError } from "../../dist/platform/errors.js";
import { launch, openPage } from "../browser/launch.js";
import { buildSite, serve } from "../browser/site.js";
import { firefoxPath, launchFirefox, openFirefoxPage } from "./firefox.js";

/** The parts of a page that both drivers have. */
interface Watched {
  evaluate<T>(action: () => T): Promise<T>;
  close(): Promise<void>;
}

/** Seconds of processor time of everything that this process has started and that still runs (Linux). */
async function processorSeconds(): Promise<number> {
  const ticks = new Map<string, { parent: string; time: number }>();
  for (const id of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${id}/stat`, "utf8").catch(() => "");
    // After the name, which may contain anything: state, parent, … user and system time as fields 14 and 15 of all.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields.length > 13)
      ticks.set(id, { parent: fields[1]!, time: Number(fields[11]) + Number(fields[12]) });
  }
  const isOurs = (id: string): boolean => {
    const parent = ticks.get(id)?.parent;
    return parent === String(process.pid) || (parent !== undefined && isOurs(parent));
  };
  // Linux counts 100 ticks a second in /proc, whatever its clock does.
  return [...ticks].reduce((sum, [id, { time }]) => sum + (isOurs(id) ? time / 100 : 0), 0);
}

async function open(
  name: string,
  url: string,
): Promise<{ version: string; page: Watched; close(): Promise<void> }> {
  if (name === "chromium") {
    const launched = await launch();
    const { page } = await openPage(launched, url);
    return { version: launched.browser.version(), page, close: () => launched.close() };
  }
  if (name !== "firefox")
    throw new UserError(`There is no browser "${name}"; choose chromium or firefox.`, 2);
  const path = firefoxPath();
  if (typeof path !== "string") throw new UserError(`${path.missing}.`);
  const browser = await launchFirefox(path);
  const { page } = await openFirefoxPage(browser, url);
  return { version: await browser.version(), page, close: () => browser.close() };
}

await runCommand(async () => {
  const command = commandLine(
    "npm run cold-start --",
    "Measures the page's first caption in a browser without any compiled shader.",
  )
    .argument("<browser>", "chromium or firefox")
    .addOption(
      new Option("--tab <tab>", "the tab that captions: caption, or scenes with the scene that it opens with")
        .choices(["caption", "scenes"])
        .default("caption"),
    )
    .parse();
  const { tab } = command.opts<{ tab: string }>();
  const [name] = command.args as [string];
  // Mesa keeps shaders on disk, for all browsers and profiles.
  process.env.MESA_SHADER_CACHE_DISABLE = "true";
  const folder = await mkdtemp(join(tmpdir(), "mcd-cold-"));
  await buildSite(join(folder, "site"));
  const site = await serve(join(folder, "site"), 0);
  try {
    const { version, page, close } = await open(name, `${site.url}#${tab}`);
    console.log(`${name} ${version}`);
    const cpuBefore = await processorSeconds();
    let last = "";
    for (;;) {
      const { seconds, status, finished } = await page.evaluate(() => {
        // The tab's name, also once the page has made a link of it.
        const tab = location.hash.slice(1).split("?")[0]!;
        const section = document.querySelector<HTMLElement>(`#panel-${tab} [data-finished]`);
        return {
          seconds: performance.now() / 1000,
          status: document.getElementById("status-text")?.textContent ?? "",
          finished: section?.dataset.finished ?? "0",
        };
      });
      const kind = status.replace(/\d[\d.,]*/g, "#");
      if (kind !== last) console.log(`${seconds.toFixed(1).padStart(6)} s  ${status || "(nothing)"}`);
      last = kind;
      if (finished !== "0") {
        const cpu = (await processorSeconds()) - cpuBefore;
        console.log(
          `first caption after ${seconds.toFixed(1)} s, ${cpu.toFixed(1)} s of processor time since the page was opened`,
        );
        break;
      }
      if (seconds > 900) throw new UserError("There is no caption after 15 minutes.");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await close();
  } finally {
    await site.close();
    await rm(folder, { recursive: true, force: true });
  }
});
