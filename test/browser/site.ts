/** The demo page for tests, as plain JavaScript beside its sources builds and serves it, and where its screenshots go. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const part = (name: string) => import(new URL(`../../web/${name}.js`, import.meta.url).href);

export const { buildSite }: { buildSite(folder: string): Promise<void> } = await part("build");
export const {
  serve,
}: { serve(folder: string, port: number): Promise<{ url: string; close(): Promise<void> }> } =
  await part("server");

const screenshots = fileURLToPath(new URL("../screenshots/", import.meta.url));
mkdirSync(screenshots, { recursive: true });

/** Where a test leaves a screenshot of this name, to look at. */
export const screenshotPath = (name: string): string => join(screenshots, name);
