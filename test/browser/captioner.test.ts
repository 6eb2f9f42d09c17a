/** Pictures that only a browser has, and Cache Storage, in headless Chromium with the shipped weights. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { shippedWeights } from "../../dist/platform/node.js";
import { runInChromium } from "./pages.js";

const names = ["config.json", "model.safetensors"];
const files = names.map(
  (name) => [`/weights/emoji/${name}`, readFileSync(join(shippedWeights(), name))] as const,
);
await runInChromium(["browser/captioner.js"], new Map(files));
