/** SwiftShader in Node, to be compared with what Chromium has. */
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { openNodeDevice } from "../../dist/platform/node-adapter.js";

export async function swiftShader(): Promise<Gpu> {
  const opened = await openNodeDevice({ adapter: "swiftshader" });
  return Gpu.from(opened.device, opened);
}
