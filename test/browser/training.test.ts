/** Tests of training that need nothing of Node, in headless Chromium. */
import { runInChromium } from "./pages.js";
import { testFiles } from "./test-files.js";

await runInChromium(testFiles().filter((name) => name.startsWith("training/")));
