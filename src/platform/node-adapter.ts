/**
 * Opens a WebGPU device in Node with Dawn (npm `webgpu`). On Linux, Dawn uses Vulkan, which needs a loader (libvulkan.so.1) and a
 * driver. Drivers are tried in this order: a GPU's, Mesa's lavapipe, SwiftShader (the system's, or the one that
 * @sparticuz/chromium includes together with a loader). Dawn sees only one software driver at a time, since with two it always
 * chooses SwiftShader, the slower one. Elsewhere (macOS, Windows) the system chooses.
 */
import { existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import { constants, homedir } from "node:os";
import { basename, join } from "node:path";
import { adapterName, isSoftware, softwareNames } from "./adapter-info.js";
import { requestComputeDevice } from "./device.js";
import { UserError } from "./errors.js";
import { unpackChromium } from "./npm-chromium.js";
import { isNotInstalled } from "./optional-packages.js";
import { restUntil } from "./rest.js";

/** Options of `openNodeDevice`. */
export interface NodeDeviceOptions {
  /**
   * `gpu`, `lavapipe` (or `llvmpipe`), `swiftshader`, `null` (Dawn's null backend: accepts everything, computes
   * nothing) or any part of an adapter's name. If empty or omitted: the environment variable MCD_ADAPTER, else the best that works.
   */
  adapter?: string | undefined;
}

/** A device opened in Node, and how it was found; `Gpu.from(opened.device, opened)` takes both. */
export interface NodeDevice {
  device: GPUDevice;
  adapter: GPUAdapter;
  /** Adapter and driver, for display. */
  description: string;
  /** True when the "GPU" is the CPU. */
  software: boolean;
  /** For `Gpu.from`, on software adapters: waits without keeping a core busy that the adapter needs. */
  rest?: (promise: Promise<unknown>) => void;
  /** One line for the user of a software adapter: lists the drivers that were skipped, with reasons, and faster alternatives. */
  advice?: string;
}

/** One way to open a device. `drivers` are Vulkan driver manifests (ICD JSON files); undefined leaves the choice to the system. */
interface Way {
  kind: "user" | "gpu" | "lavapipe" | "swiftshader";
  /** Name in messages. */
  label: string;
  drivers?: string[];
}

type Create = (options: string[]) => GPU;

const MISSING_ADVICE =
  "install a Vulkan driver for your GPU, or Mesa 23 or newer for its lavapipe (Debian 12: mesa-vulkan-drivers and libvulkan1 from bookworm-backports), or on x64 the npm package @sparticuz/chromium, which contains SwiftShader";
const FASTER_THAN_SWIFTSHADER =
  "SwiftShader computes on the CPU; Mesa's lavapipe is 3 to 6 times faster (Mesa 23 or newer; Debian 12: mesa-vulkan-drivers from bookworm-backports), a GPU with its Vulkan driver much faster still.";
const FASTER_THAN_LAVAPIPE =
  "lavapipe computes on the CPU; a GPU with its Vulkan driver would be much faster.";

const NO_WEBGPU =
  "Computing in Node needs the npm package webgpu: npm install webgpu (with npx: npx -p mc-diffusion -p webgpu mc-diffusion caption photo.png).";

/**
 * Dawn's instances, by visible drivers and options. All devices with the same drivers and options share one instance. Dawn aborts
 * the process if an instance is garbage-collected while its devices live, and each instance holds megabytes of driver memory.
 */
const instances = new Map<string, GPU>();

/** The instance with these options for the drivers that the environment makes visible now. */
function instanceOf(create: Create, options: string[]): GPU {
  const key = JSON.stringify([userDrivers(), process.env.VK_ADD_DRIVER_FILES, options]);
  const gpu = instances.get(key) ?? create(options);
  instances.set(key, gpu);
  return gpu;
}

/** Instances with a failed device. Kept, as other devices of theirs may live. */
const retired: GPU[] = [];

function retire(gpu: GPU): void {
  for (const [key, instance] of instances) {
    if (instance !== gpu) continue;
    instances.delete(key);
    retired.push(gpu);
  }
}

/** Number of Dawn instances that this process holds: one per combination of drivers and options requested, plus retired ones. */
export function openInstances(): number {
  return instances.size + retired.length;
}
/** Opens one device at a time: environment variables of the whole process select the visible drivers. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * Opens the best WebGPU device available (order: see the head of this file) with all limits and optional features that it
 * offers, and defines WebGPU's global constants (`GPUBufferUsage` …). If the user sets VK_DRIVER_FILES or VK_ICD_FILENAMES, it
 * takes precedence over that order, and a name chooses only among those drivers. Throws a `UserError` if nothing fits.
 */
export function openNodeDevice(options: NodeDeviceOptions = {}): Promise<NodeDevice> {
  const opening = queue.then(() => open((options.adapter || process.env.MCD_ADAPTER || "").trim()));
  queue = opening.catch(() => {});
  return opening;
}

async function open(name: string): Promise<NodeDevice> {
  const create = await loadDawn();
  if (name.toLowerCase() === "null") return openNull(create);
  const passedOver: string[] = [];
  const ways = process.platform === "linux" ? await linuxWays(name, passedOver) : [systemWay];
  for (const way of ways) {
    const opened = await attempt(create, way, name, passedOver);
    if (opened !== null) return opened;
  }
  throw new UserError(failure(name, passedOver));
}

const systemWay: Way = { kind: "user", label: "the system's WebGPU driver" };

function failure(name: string, passedOver: readonly string[]): string {
  const tried = passedOver.length > 0 ? ` (${passedOver.join("; ")})` : "";
  if (userDrivers() !== undefined) {
    const wanted = name === "" ? "" : ` called "${name}"`;
    return `The Vulkan drivers in VK_DRIVER_FILES or VK_ICD_FILENAMES provide no WebGPU adapter${wanted}${tried}; correct or unset that variable.`;
  }
  if (name === "") return `No WebGPU adapter was found${tried}: ${MISSING_ADVICE}.`;
  return `There is no WebGPU adapter "${name}"${tried}; choose gpu, lavapipe, swiftshader, null or a part of an adapter's name, or leave the choice out.`;
}

async function loadDawn(): Promise<Create> {
  try {
    const { create, globals } = await import("webgpu");
    Object.assign(globalThis, globals);
    return create;
  } catch (error) {
    if (isNotInstalled(error, "webgpu")) throw new UserError(NO_WEBGPU);
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new UserError(
      `The npm package webgpu does not load here (${why}); it runs on Linux with glibc, macOS and Windows.`,
    );
  }
}

/** Opens Dawn's null backend, which validates everything and computes nothing: for tests and timings of the JavaScript side. */
async function openNull(create: Create): Promise<NodeDevice> {
  const gpu = instanceOf(create, ["backend=null"]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new UserError("Dawn's null backend provides no adapter on this machine.");
  const device = await requestComputeDevice(adapter);
  return { device, adapter, description: "Dawn's null backend (computes nothing)", software: true };
}

/** Tries one way. Returns null if it fails, and appends the reason to `passedOver` if it is worth reporting. */
async function attempt(
  create: Create,
  way: Way,
  name: string,
  passedOver: string[],
): Promise<NodeDevice | null> {
  return withDrivers(way, async () => {
    const exact = isKind(name, way.kind) ? null : await findByName(create, name, passedOver);
    if (exact === undefined) return null;
    // Dawn rounds timestamps to 0.1 ms for privacy unless this is disabled; a profiler needs the driver's values.
    const toggles = ["disable-dawn-features=timestamp_quantization"];
    if (exact !== null) toggles.push(`adapter=${exact}`);
    try {
      const gpu = instanceOf(create, toggles);
      const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
      const software = adapter !== null && isSoftware(adapter.info);
      if (adapter === null || (way.kind === "gpu" && software)) {
        passedOver.push(emptyHanded(way));
        return null;
      }
      const device = await requestComputeDevice(adapter);
      // A failed driver may not recover within its instance: the next device gets a new one.
      device.lost.then(({ reason }) => {
        if (reason !== "destroyed") retire(gpu);
      });
      const description = `${adapterName(adapter.info)} (${way.label})`;
      const opened: NodeDevice = { device, adapter, description, software };
      if (software) opened.rest = restUntil;
      const advice = software ? advise(adapter, passedOver) : undefined;
      return advice === undefined ? opened : { ...opened, advice };
    } catch (error) {
      passedOver.push(
        `${way.label} failed: ${error instanceof Error ? error.message.split("\n")[0] : error}`,
      );
      return null;
    }
  });
}

/** Whether the kind of driver alone satisfies `name`. */
function isKind(name: string, kind: Way["kind"]): boolean {
  return name === "" || KINDS.get(name.toLowerCase()) === kind;
}

const KINDS: ReadonlyMap<string, Way["kind"]> = new Map([
  ["gpu", "gpu"],
  ["lavapipe", "lavapipe"],
  ["llvmpipe", "lavapipe"],
  ["swiftshader", "swiftshader"],
]);

/**
 * The full name of an adapter of the current drivers that matches `name`; undefined if there is none. Dawn matches names
 * case-sensitively and provides no list of adapters, but its error for an unknown name contains one.
 */
async function findByName(create: Create, name: string, passedOver: string[]): Promise<string | undefined> {
  let list = "";
  try {
    const gpu = instanceOf(create, ["adapter=\x01no such adapter"]);
    await gpu.requestAdapter();
  } catch (error) {
    list = error instanceof Error ? error.message : String(error);
  }
  const names = [...list.matchAll(/backend: '(?!null)[^']*', name: '(.*)'/g)].map((match) => match[1] ?? "");
  const wanted = KINDS.get(name.toLowerCase());
  const part = wanted === "lavapipe" ? "llvmpipe" : name.toLowerCase();
  const found = names.find((candidate) =>
    wanted === "gpu" ? !softwareNames.test(candidate) : candidate.toLowerCase().includes(part),
  );
  if (found === undefined && names.length > 0) passedOver.push(`seen: ${names.join(", ")}`);
  return found;
}

function emptyHanded(way: Way): string {
  if (way.kind === "lavapipe") {
    return `${way.label} was skipped: it lacks features that Dawn needs, as does Mesa before version 23`;
  }
  return `${way.label} provides no adapter`;
}

function advise(adapter: GPUAdapter, passedOver: readonly string[]): string {
  const { architecture, description } = adapter.info;
  const slowest = /swiftshader/i.test(`${architecture} ${description}`);
  const faster = slowest ? FASTER_THAN_SWIFTSHADER : FASTER_THAN_LAVAPIPE;
  const told = passedOver.map((sentence) => `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}. `);
  return told.join("") + faster;
}

/** The user's choice of drivers, if any. */
function userDrivers(): string | undefined {
  return process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES || undefined;
}

/** All ways on this machine that could satisfy `name`, best first. */
async function linuxWays(name: string, passedOver: string[]): Promise<Way[]> {
  const own = userDrivers();
  if (own !== undefined) return [{ kind: "user", label: `driver ${own}` }];
  const wanted = KINDS.get(name.toLowerCase());
  const installed = await installedDrivers();
  const ways: Way[] = [];
  // Trying a GPU's driver on a machine without a GPU takes half a second and makes the loader print errors.
  if (wanted === "gpu" || gpuPresent()) {
    const drivers = installed.filter((file) => softwareKind(file) === undefined);
    ways.push({
      kind: "gpu",
      label: "the GPU's Vulkan driver",
      // No driver found although there is a GPU: the loader may search other folders too.
      ...(drivers.length > 0 ? { drivers } : {}),
    });
  }
  for (const kind of ["lavapipe", "swiftshader"] as const) {
    for (const file of installed.filter((candidate) => softwareKind(candidate) === kind)) {
      ways.push({ kind, label: `driver ${file}`, drivers: [file] });
    }
  }
  const fitting = ways.filter((way) => wanted === undefined || way.kind === wanted);
  if (wanted === undefined || wanted === "swiftshader") {
    const bundle = await swiftShaderBundle(passedOver);
    if (bundle !== null) {
      const drivers = [join(bundle, "vk_swiftshader_icd.json")];
      fitting.push({
        kind: "swiftshader",
        label: "SwiftShader of the npm package @sparticuz/chromium",
        drivers,
      });
    }
  }
  return fitting;
}

const GPU_NODES = ["nvidiactl", "nvidia0", "nvhost-ctrl-gpu", "nvmap", "dxg", "kgsl-3d0", "mali0"];

function gpuPresent(): boolean {
  return existsSync("/dev/dri") || GPU_NODES.some((node) => existsSync(`/dev/${node}`));
}

function softwareKind(file: string): "lavapipe" | "swiftshader" | undefined {
  if (/(^|[_.-])(lvp|lavapipe)[_.-]/i.test(basename(file))) return "lavapipe";
  return /swiftshader/i.test(basename(file)) ? "swiftshader" : undefined;
}

/** The manifests that the Vulkan loader would find, in its order, except those for other architectures. */
async function installedDrivers(): Promise<string[]> {
  const { env } = process;
  const split = (list: string | undefined, fallback: string): string[] => (list || fallback).split(":");
  const bases = [
    env.XDG_CONFIG_HOME || join(homedir(), ".config"),
    ...split(env.XDG_CONFIG_DIRS, "/etc/xdg"),
    "/usr/local/etc",
    "/etc",
    env.XDG_DATA_HOME || join(homedir(), ".local/share"),
    ...split(env.XDG_DATA_DIRS, "/usr/local/share:/usr/share"),
    "/usr/share",
    "/run/opengl-driver/share",
  ];
  const folders = bases.filter((base) => base !== "").map((base) => join(base, "vulkan/icd.d"));
  // VK_ADD_DRIVER_FILES names files or folders.
  const added = split(env.VK_ADD_DRIVER_FILES, "").filter((entry) => entry !== "");
  const files = new Set(added.filter((entry) => entry.endsWith(".json")));
  for (const folder of [...added.filter((entry) => !entry.endsWith(".json")), ...folders]) {
    const names = await fs.readdir(folder).catch(() => []);
    for (const name of names.sort()) {
      if (name.endsWith(".json")) files.add(join(folder, name));
    }
  }
  return [...files].filter((file) => !foreign(basename(file)) && existsSync(file));
}

/** Whether a manifest is for another architecture. Multi-architecture distributions name it in the file: lvp_icd.i686.json. */
function foreign(file: string): boolean {
  const own = process.arch === "arm64" ? "aarch64" : "x86_64";
  const architecture = /\.(x86_64|aarch64|i[3-6]86|armv7hl|armhf|riscv64|ppc64le|s390x)\.json$/.exec(
    file,
  )?.[1];
  return architecture !== undefined && architecture !== own;
}

/**
 * Runs `body` with only `way`'s drivers visible to the Vulkan loader, and restores the environment, so that a child process
 * does not mistake our choice for the user's. Sets both variables: loaders before 1.3.207 know only the old name.
 */
async function withDrivers<T>(way: Way, body: () => Promise<T>): Promise<T> {
  if (process.platform === "linux") await ensureLoader();
  const changes: Record<string, string> = {};
  if (way.drivers !== undefined) {
    changes.VK_DRIVER_FILES = way.drivers.join(":");
    changes.VK_ICD_FILENAMES = changes.VK_DRIVER_FILES;
  }
  // Mesa's device-selection layer prints errors where there is no desktop. It only orders GPUs, so disable it.
  if (way.kind !== "gpu" && process.env.NODEVICE_SELECT === undefined) changes.NODEVICE_SELECT = "1";
  const before = Object.keys(changes).map((key) => [key, process.env[key]] as const);
  Object.assign(process.env, changes);
  try {
    return await body();
  } finally {
    for (const [key, value] of before) {
      if (value === undefined) delete process.env[key];
      else process.env[key] = value;
    }
  }
}

let loaderEnsured = false;

/**
 * Loads a Vulkan loader into this process: the system's, else the one beside SwiftShader. Dawn's own
 * dlopen("libvulkan.so.1") then finds this library by its soname.
 */
async function ensureLoader(): Promise<void> {
  if (loaderEnsured) return;
  loaderEnsured = true;
  if (loadLibrary("libvulkan.so.1")) return;
  const bundle = await swiftShaderBundle([]);
  if (bundle !== null) loadLibrary(join(bundle, "libvulkan.so.1"));
}

/**
 * Loads a shared library for the lifetime of the process. Node finds no add-on in it, throws and closes it again;
 * RTLD_NODELETE keeps it loaded. Returns whether the library was found and could be loaded.
 */
function loadLibrary(path: string): boolean {
  const RTLD_NODELETE = 0x1000;
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
    return true;
  } catch (error) {
    return error instanceof Error && /did not self-register/i.test(error.message);
  }
}

const BUNDLED = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];
let bundle: Promise<string | null> | undefined;

/**
 * The folder with SwiftShader, its manifest and a Vulkan loader, unpacked from @sparticuz/chromium into the cache on first use.
 * Null on anything but x64. Null, with a reason in `passedOver`, if the package is not installed or cannot be unpacked.
 */
async function swiftShaderBundle(passedOver: string[]): Promise<string | null> {
  if (process.arch !== "x64") return null;
  bundle ??= unpackChromium("swiftshader", ["swiftshader.tar.br"], BUNDLED);
  try {
    const folder = await bundle;
    if (folder === null)
      passedOver.push("the npm package @sparticuz/chromium, which includes SwiftShader, is not installed");
    return folder;
  } catch (error) {
    passedOver.push(`SwiftShader cannot be unpacked: ${error instanceof Error ? error.message : error}`);
    return null;
  }
}
