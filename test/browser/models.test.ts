/** Tests that need nothing of Node, in headless Chromium: engine, autograd, networks, diffusion, captions. */
import { runInChromium, testFiles } from "./pages.js";

await runInChromium(testFiles().filter((name) => !/^(engine\/ops|training)\//.test(name)));
