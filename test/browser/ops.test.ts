/** The tests of kernels, their gradients and random numbers in headless Chromium: the compiled files that Node runs, unchanged. */
import { runInChromium } from "./pages.js";
import { testFiles } from "./test-files.js";

await runInChromium(testFiles().filter((name) => name.startsWith("engine/ops/")));
