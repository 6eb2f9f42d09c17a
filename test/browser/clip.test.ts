/** CLIP in headless Chromium, with the small CLIP of test/vectors. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { runCommand } from "../commands/run.js";
import { smallMerges } from "../models/clip/merges.js";
import { pictureFiles, writeHuggingFace } from "../models/clip/support.js";
import { runInChromium } from "./pages.js";

const folder = mkdtempSync(join(tmpdir(), "clip-page-"));
t.teardown(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, "hf"));
await writeHuggingFace(join(folder, "hf"));
writeFileSync(join(folder, "hf", "merges.txt"), smallMerges());
await runCommand("import", ["clip", join(folder, "hf"), "--out", join(folder, "clip"), "--quiet"]);
const files = ["config.json", "model.safetensors"].map(
  (name) => [`/weights/clip/${name}`, readFileSync(join(folder, "clip", name))] as const,
);
await runInChromium(
  ["browser/clip.js"],
  new Map([...files, ["/image0.png", readFileSync(pictureFiles[0]!)]]),
);
