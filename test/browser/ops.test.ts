/** The tests of kernels, their gradients and random numbers in headless Chromium: the compiled files that Node runs, unchanged. */
import { whole } from "../whole.js";
import { runInChromium, runSomeInChromium, testFiles } from "./pages.js";

const files = testFiles().filter((name) => name.startsWith("engine/ops/"));
await (whole ? runInChromium(files) : runSomeInChromium(files));
