/** Tests of training that need nothing of Node, in headless Chromium. */
import { whole } from "../whole.js";
import { runInChromium, runSomeInChromium, testFiles } from "./pages.js";

const files = testFiles().filter((name) => name.startsWith("training/"));
await (whole ? runInChromium(files) : runSomeInChromium(files));
