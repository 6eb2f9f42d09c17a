/** Tests of training that need nothing of Node, in headless Chromium. */
import { whole } from "../whole.js";
import { runInChromium, runSomeInChromium } from "./pages.js";
import { testFiles } from "./test-files.js";

const files = testFiles().filter((name) => name.startsWith("training/"));
await (whole ? runInChromium(files) : runSomeInChromium(files));
