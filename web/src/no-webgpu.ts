/** Says why there is no WebGPU here, and which browsers and settings provide it. */

import { h } from "./dom.js";

const remedies = [
  "Chrome and Edge have had WebGPU since version 113 on Windows and macOS, and since 121 on Android. On Linux, Chrome has had it since 144 on newer Intel GPUs and since 147 on NVIDIA GPUs; for other GPUs, open chrome://flags, enable “Unsafe WebGPU Support” (#enable-unsafe-webgpu) and “Vulkan” (#enable-vulkan), and restart the browser.",
  "Firefox has had it since version 141 on Windows and since 147 on Macs with Apple silicon; elsewhere, set dom.webgpu.enabled to true in about:config.",
  "Safari has had it since version 26; in version 18, enable the feature flag “WebGPU” in the developer settings.",
  "The page must be served over HTTPS or from localhost, and graphics acceleration must be enabled in the browser’s settings.",
];

export function noWebGpu(reason: string): Node[] {
  return [
    h("p", {}, `${reason} The model needs it; a recorded caption is shown instead.`),
    h(
      "details",
      {},
      h("summary", {}, "Browsers and settings that provide WebGPU"),
      h("ul", {}, ...remedies.map((text) => h("li", {}, text))),
    ),
  ];
}
