/** Which adapter is opened: each case in a process of its own, since a process keeps its Vulkan loader and drivers. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { modulesDirectory } from "../../dist/platform/node.js";

interface Answer {
  code: number;
  error?: string;
  description?: string;
  software?: boolean;
  advice?: string;
  value?: number;
  invocations?: number;
  changed?: string[];
}

const modulePath = JSON.stringify(new URL("../../dist/platform/node-adapter.js", import.meta.url).href);

/** Opens a device as told, computes 2·511 + 1 on it (except on the null backend), and ends by itself. */
const program = `
  import { openNodeDevice } from ${modulePath};
  const before = JSON.stringify(process.env);
  try {
    const opened = await openNodeDevice(JSON.parse(process.argv[1]));
    const { device, description, software, advice } = opened;
    const module = device.createShaderModule({ code: "@group(0) @binding(0) var<storage, read_write> x: array<f32>; @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) { x[id.x] = 2 * f32(id.x) + 1; }" });
    const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
    const storage = device.createBuffer({ size: 2048, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
    const copy = device.createBuffer({ size: 2048, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: storage } }] }));
    pass.dispatchWorkgroups(8);
    pass.end();
    encoder.copyBufferToBuffer(storage, 0, copy, 0, 2048);
    device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const value = new Float32Array(copy.getMappedRange())[511];
    const invocations = device.limits.maxComputeInvocationsPerWorkgroup;
    const unchanged = before === JSON.stringify(process.env);
    console.log(JSON.stringify({ description, software, advice, value, invocations, changed: unchanged ? [] : Object.keys(process.env) }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.name + ": " + error.message }));
  }`;

function open(options: { adapter?: string }, environment: Record<string, string> = {}): Promise<Answer> {
  const { MCD_ADAPTER: _, VK_DRIVER_FILES: __, VK_ICD_FILENAMES: ___, ...clean } = process.env;
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      ["--input-type=module", "-e", program, JSON.stringify(options)],
      { env: { ...clean, NODE_OPTIONS: "", ...environment }, timeout: 120_000 },
      (error, stdout, stderr) => {
        try {
          resolve({
            ...(JSON.parse(stdout) as Answer),
            code: error === null ? 0 : Number(child.exitCode ?? -1),
          });
        } catch {
          reject(new Error(`no answer: ${error?.message ?? ""} ${stdout} ${stderr}`));
        }
      },
    );
  });
}

const bundled = process.platform === "linux" && process.arch === "x64";

t.test("left to itself, something computes and the process ends", async (t) => {
  const answer = await open({});
  t.equal(answer.code, 0);
  t.equal(answer.value, 1023, answer.description ?? answer.error ?? "");
  t.same(answer.changed, [], "the environment is as before");
  if (answer.software === true) t.match(answer.advice, /\.$/, "a software adapter comes with advice");
});

t.test("SwiftShader from the npm package", { skip: bundled ? false : "Linux x64 only" }, async (t) => {
  const byOption = await open({ adapter: "SwiftShader" }, { MCD_ADAPTER: "null" });
  t.match(byOption.description, /SwiftShader/, "the option wins over the variable");
  t.equal(byOption.value, 1023);
  t.equal(byOption.software, true);
  t.match(byOption.advice, /lavapipe is 3 to 6 times faster/);
  t.match((await open({}, { MCD_ADAPTER: "swiftshader" })).description, /SwiftShader/, "by MCD_ADAPTER");
});

t.test("several processes unpack it at once", { skip: bundled ? false : "Linux x64 only" }, async (t) => {
  const cache = t.testdir();
  const answers = await Promise.all(
    [1, 2, 3].map(() => open({ adapter: "swiftshader" }, { XDG_CACHE_HOME: cache })),
  );
  t.same(
    answers.map((answer) => answer.value),
    [1023, 1023, 1023],
  );
  const manifest = join(modulesDirectory("@sparticuz/chromium"), "@sparticuz/chromium/package.json");
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  t.ok(existsSync(join(cache, "mc-diffusion", `swiftshader-${version}`, "libvk_swiftshader.so")));
  t.same(readdirSync(join(cache, "mc-diffusion")), [`swiftshader-${version}`], "no temporary folder stays");
});

t.test("a user's own drivers win", { skip: bundled ? false : "Linux x64 only" }, async (t) => {
  const cache = t.testdir();
  await open({ adapter: "swiftshader" }, { XDG_CACHE_HOME: cache });
  const folder = join(cache, "mc-diffusion", readdirSync(join(cache, "mc-diffusion"))[0]!);
  const driver = join(folder, "vk_swiftshader_icd.json");
  for (const variable of ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]) {
    const answer = await open({}, { [variable]: driver });
    t.match(answer.description, `driver ${driver}`, variable);
    t.equal(answer.value, 1023);
  }
  t.match(
    (await open({ adapter: "llvmpipe" }, { VK_DRIVER_FILES: driver })).error,
    /^UserError: .*VK_DRIVER_FILES/,
  );
  t.match((await open({}, { VK_DRIVER_FILES: "/nowhere.json" })).error, /correct or unset that variable/);
});

t.test("the null backend", async (t) => {
  const answer = await open({ adapter: "null" });
  t.match(answer.description, /null backend/);
  t.not(answer.value, 1023, "nothing is computed");
});

t.test("a name that nothing has", async (t) => {
  const answer = await open({ adapter: "Voodoo 2" });
  t.match(
    answer.error,
    /^UserError: There is no WebGPU adapter "Voodoo 2".*choose gpu, lavapipe, swiftshader, null/,
  );
});
