/** Tests that need nothing of Node, in headless Chromium: engine, autograd, networks, diffusion, captions. */
import { runInChromium } from "./pages.js";
import { testFiles } from "./test-files.js";

await runInChromium(testFiles().filter((name) => !/^(engine\/ops|training)\//.test(name)));
