/** Says why there is no WebGPU here, and which browser and switch help. */

import { h } from "./dom.js";

const remedies = [
  "Chrome and Edge have WebGPU since version 113 on Windows and macOS, since 121 on Android. On Linux Chrome has it since 144 on newer GPUs of Intel, since 147 on those of NVIDIA; with others open chrome://flags, switch “Unsafe WebGPU Support” (#enable-unsafe-webgpu) and “Vulkan” (#enable-vulkan) on, and restart the browser.",
  "Firefox has it since version 141 on Windows, since 147 on Macs with Apple silicon; elsewhere set dom.webgpu.enabled to true in about:config.",
  "Safari has it since version 26; in 18 it is the feature flag “WebGPU” in the settings for developers.",
  "The page must come by https or from localhost, and graphics acceleration must be on in the browser’s settings.",
];

export function noWebGpu(reason: string): Node[] {
  return [h("p", {}, reason), h("ul", {}, ...remedies.map((text) => h("li", {}, text)))];
}
