/** Tests of training that need nothing of Node, in headless Chromium. */
import { runInChromium, testFiles } from "./pages.js";

await runInChromium(testFiles().filter((name) => name.startsWith("training/")));
