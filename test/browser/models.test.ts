/** All other tests that need nothing of Node, in headless Chromium: engine, autograd, optimiser, networks, training steps, captions. */
import { runInChromium, testFiles } from "./pages.js";

await runInChromium(testFiles().filter((name) => !name.startsWith("engine/ops/")));
