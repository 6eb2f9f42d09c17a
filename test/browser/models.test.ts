/** Tests that need nothing of Node, in headless Chromium: engine, autograd, networks, diffusion, captions. */
import { whole } from "../whole.js";
import { runInChromium, runSomeInChromium, testFiles } from "./pages.js";

const files = testFiles().filter((name) => !/^(engine\/ops|training)\//.test(name));
/** What meets the browser's own side of WebGPU: devices, their loss, shared devices, textures. */
const isOfDevices = (name: string) => /^(engine\/gpu|captioner)\//.test(name);
await runInChromium(files.filter((name) => whole || isOfDevices(name)));
if (!whole) await runSomeInChromium(files.filter((name) => !isOfDevices(name)));
