/** The engine and your renderer on one device, in one submission: `node examples/share-device.js [frames]`. */

import { conv2d, fromArray, Gpu, noGrad } from "mc-diffusion/engine";
import { openNodeDevice } from "mc-diffusion/node";

const frames = Number(process.argv[2] ?? 3);
// In a page: your own GPUDevice. The engine never destroys it.
const { device, ...about } = await openNodeDevice();
const gpu = Gpu.from(device, about);
const size = 64;

// The engine's part: a blur, captured once. Its result stays in the same buffer from frame to frame.
const picture = fromArray(gpu, new Float32Array(size * size), [1, size, size, 1]);
const box = fromArray(gpu, new Float32Array(25).fill(1 / 25), [5, 5, 1, 1]);
const { work, result } = gpu.capture(() => noGrad(() => conv2d(picture, box, { padding: 2 })).keep());
await work.ready();

// The renderer's part: a triangle over the whole target whose fragment shader reads the engine's buffer.
const module = device.createShaderModule({
  code: `@group(0) @binding(0) var<storage> blurred: array<f32>;
    @vertex fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
      return vec4f(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
    }
    @fragment fn shade(@builtin(position) at: vec4f) -> @location(0) vec4f {
      return vec4f(vec3f(blurred[u32(at.y) * ${size}u + u32(at.x)]), 1.0);
    }`,
});
const pipeline = device.createRenderPipeline({
  layout: "auto",
  vertex: { module },
  fragment: { module, targets: [{ format: "rgba8unorm" }] },
});
const entries = [{ binding: 0, resource: result.buffer }];
const bindGroup = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
const usage = GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC;
const target = device.createTexture({ size: [size, size], format: "rgba8unorm", usage });
const readable = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
const readBack = device.createBuffer({ size: size * size * 4, usage: readable });

for (let frame = 0; frame < frames; frame++) {
  picture.write(Float32Array.from({ length: size * size }, (_, i) => Number((i % size) >> 3 === frame)));
  const encoder = device.createCommandEncoder();
  work.encode(encoder);
  const pass = encoder.beginRenderPass({
    colorAttachments: [{ view: target.createView(), loadOp: "clear", storeOp: "store" }],
  });
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.draw(3);
  pass.end();
  encoder.copyTextureToBuffer({ texture: target }, { buffer: readBack, bytesPerRow: size * 4 }, [size, size]);
  device.queue.submit([encoder.finish()]);
  await readBack.mapAsync(GPUMapMode.READ);
  const bytes = new Uint8Array(readBack.getMappedRange());
  const row = Array.from({ length: 28 }, (_, x) => bytes[4 * (32 * size + x)]);
  console.log(`frame ${frame}: ${row.join(" ")} …`);
  readBack.unmap();
}
work.dispose();
gpu.dispose();
