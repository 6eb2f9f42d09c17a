/** A page that draws frames on its own GPUDevice and overlays the engine's results for the texture it has just drawn. */

import { Captioner } from "../../dist/index.js";
import { byId } from "./dom.js";
import shaders from "./embed.wgsl";

const words = "smiling face with eyes and open mouth";
const canvas = document.querySelector("canvas")!;
const overlay = byId("overlay") as HTMLSelectElement;
const slice = byId("slice") as HTMLInputElement;
const pause = byId("pause") as HTMLInputElement;
const facts = byId("facts");

async function main(): Promise<void> {
  // The page's own device, scene and canvas. The engine uses the device with the features and limits that the page requested.
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("This browser provides no WebGPU adapter.");
  const features: GPUFeatureName[] = ["subgroups", "shader-f16"];
  const requiredFeatures = features.filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({ requiredFeatures });
  const format = navigator.gpu.getPreferredCanvasFormat();
  const context = canvas.getContext("webgpu")!;
  context.configure({ device, format });
  const { RENDER_ATTACHMENT, TEXTURE_BINDING } = GPUTextureUsage;
  const usage = RENDER_ATTACHMENT | TEXTURE_BINDING;
  const texture = device.createTexture({ size: [256, 256], format: "rgba8unorm", usage });
  const uniforms = device.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  const module = device.createShaderModule({ code: shaders });
  const pipeline = (entryPoint: string, format: GPUTextureFormat) =>
    device.createRenderPipeline({
      layout: "auto",
      vertex: { module },
      fragment: { module, entryPoint, targets: [{ format }] },
    });
  const [scene, show] = [pipeline("scene", "rgba8unorm"), pipeline("show", format)];

  // The engine on the same device: the texture's codes, and the cross-attention of these words to them.
  const captioner = await Captioner.load("weights/emoji", { device });
  const watch = captioner.watch(texture, words);
  // A row of the attention belongs to a token; a word's first stands for it.
  const { tokenizer } = captioner;
  const tokens = tokenizer.encode(words);
  for (const { from, to } of tokenizer.spans(tokens))
    overlay.add(new Option(`attention of “${tokenizer.decode(tokens.slice(from, to))}”`, `${from}`));
  overlay.value = "1";

  // Its results are buffers, bound like any other. Every look writes to the same buffers.
  const entries = (pipeline: GPURenderPipeline, resources: GPUBindingResource[]) =>
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: resources.map((resource, binding) => ({ binding, resource })),
    });
  const view = texture.createView();
  const sceneGroup = entries(scene, [{ buffer: uniforms }]);
  const found = [view, watch.codes.buffer, watch.attention.buffer];
  const showGroup = entries(show, [{ buffer: uniforms }, ...found]);

  const seen = { looks: 0, frames: 0, frame: 16, slices: [] as number[] };
  captioner.gpu.observer = { slice: (milliseconds) => seen.slices.push(milliseconds) };

  function draw(target: GPUTextureView, pipeline: GPURenderPipeline, group: GPUBindGroup): void {
    const encoder = device.createCommandEncoder();
    const attachment = { view: target, loadOp: "clear", storeOp: "store" } as const;
    const pass = encoder.beginRenderPass({ colorAttachments: [attachment] });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.draw(3);
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  let [before, time] = [performance.now(), 0];
  function frame(now: number): void {
    if (!pause.checked) time += Math.min(100, now - before) / 1000;
    seen.frame += 0.05 * (now - before - seen.frame);
    before = now;
    seen.frames++;
    const kind = seen.looks === 0 || overlay.value === "none" ? 0 : overlay.value === "codes" ? 1 : 2;
    const numbers = new Uint32Array([0, kind, Number(overlay.value) || 0, captioner.decoder.shape.side]);
    new Float32Array(numbers.buffer)[0] = time;
    device.queue.writeBuffer(uniforms, 0, numbers);
    draw(view, scene, sceneGroup);
    draw(context.getCurrentTexture().createView(), show, showGroup);
    requestAnimationFrame(frame);
  }
  pause.checked = matchMedia("(prefers-reduced-motion: reduce)").matches;
  requestAnimationFrame(frame);

  // Look repeatedly, each look in slices of device time. Frames run between slices.
  for (;;) {
    const [began, frames] = [performance.now(), seen.frames];
    seen.slices.length = 0;
    await watch.update({ slice: { milliseconds: Math.max(1, Number(slice.value)) } });
    seen.looks++;
    const longest = Math.max(0, ...seen.slices).toFixed(1);
    facts.textContent = `Frame time ${seen.frame.toFixed(1)} ms. The last look took ${(performance.now() - began).toFixed(0)} ms in ${seen.slices.length} slices of at most ${longest} ms, with ${seen.frames - frames} frames between them. Looks so far: ${seen.looks}.`;
    Object.assign(canvas.dataset, { looks: seen.looks, frames: seen.frames - frames, slices: seen.slices });
    await new Promise(requestAnimationFrame);
  }
}

main().catch((error: unknown) => {
  facts.textContent = error instanceof Error ? error.message : String(error);
});
