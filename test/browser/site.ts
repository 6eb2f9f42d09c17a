/** The demo page for tests, as plain JavaScript beside its sources builds and serves it, and where its screenshots go. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const part = (name: string) => import(new URL(`../../web/${name}.js`, import.meta.url).href);

export const { buildSite }: { buildSite(folder: string): Promise<void> } = await part("build");
export const {
  serve,
}: { serve(folder: string, port: number): Promise<{ url: string; close(): Promise<void> }> } =
  await part("server");

/** Builds the page with a captioner that takes few steps a caption: where time matters more than captions. */
export async function buildQuickSite(folder: string, steps: number): Promise<void> {
  await buildSite(folder);
  const path = join(folder, "weights/emoji/config.json");
  const record = JSON.parse(readFileSync(path, "utf8")) as { config: { sampling: { steps: number } } };
  record.config.sampling.steps = steps;
  // The hash of the settings as they were.
  writeFileSync(path, JSON.stringify({ ...record, sha256: undefined }));
}

const screenshots = fileURLToPath(new URL("../screenshots/", import.meta.url));
mkdirSync(screenshots, { recursive: true });

/** Where a test leaves a screenshot of this name, to look at. */
export const screenshotPath = (name: string): string => join(screenshots, name);
