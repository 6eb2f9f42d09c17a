/** Weights by http: progress, hash, cache, and what is said when something is wrong. */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import tap from "tap";
import { Captioner } from "../../dist/captioner/captioner.js";
import { Gpu } from "../../dist/engine/gpu/gpu.js";
import { download, downloadText } from "../../dist/platform/download.js";
import { UserError } from "../../dist/platform/errors.js";
import { sharedGpu } from "../device.js";
import { MemoryFiles } from "../io/memory-files.js";
import { build, pictures, saved } from "../tiny-captioner.js";

/** Serves a folder of memory; `requests` lists what was asked for. */
class Site {
  readonly files = new Map<string, Uint8Array | string>();
  readonly requests: string[] = [];
  /** Bytes after which the connection breaks. */
  breakAfter = Number.POSITIVE_INFINITY;
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      const path = request.url!.slice(1);
      this.requests.push(path);
      const file = this.files.get(path);
      if (file === undefined) {
        response.writeHead(404).end("nothing here");
        return;
      }
      const bytes = Buffer.from(file as Uint8Array);
      response.writeHead(200, { "content-length": bytes.length });
      if (bytes.length > this.breakAfter) {
        response.write(bytes.subarray(0, this.breakAfter), () => response.destroy());
      } else {
        response.end(bytes);
      }
    });
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** Cache Storage as browsers have it, as far as it is used. */
function fakeCaches(): CacheStorage & { entries: Map<string, Uint8Array> } {
  const entries = new Map<string, Uint8Array>();
  const cache = {
    match: async (key: string) => (entries.has(key) ? new Response(entries.get(key)!.slice()) : undefined),
    put: async (key: string, response: Response) => {
      entries.set(key, new Uint8Array(await response.arrayBuffer()));
    },
    delete: async (key: string) => entries.delete(key),
    keys: async () => [...entries.keys()].map((url) => ({ url })),
  };
  return { entries, open: async () => cache } as unknown as ReturnType<typeof fakeCaches>;
}

async function message(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    return `${error instanceof UserError ? "" : "not a UserError: "}${(error as Error).message}`;
  }
  return "nothing was thrown";
}

const hashed = (bytes: Uint8Array) => ({
  sha256: createHash("sha256").update(bytes).digest("hex"),
  bytes: bytes.length,
});

tap.test("download", async (t) => {
  const site = new Site();
  const base = await site.open();
  t.teardown(() => site.close());
  const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) % 251);
  site.files.set("file", bytes);
  const url = `${base}file`;
  const expected = hashed(bytes);

  const progress: { loaded: number; total: number }[] = [];
  t.same(await download(url, { onProgress: (now) => progress.push(now) }), bytes, "the bytes come");
  t.ok(progress.length > 1 && progress.every(({ total }) => total === 300_000), "with progress of a total");
  t.ok(
    progress.every(({ loaded }, i) => i === 0 || loaded >= progress[i - 1]!.loaded) &&
      progress.at(-1)!.loaded === 300_000,
    "that rises to its end",
  );
  t.match(
    await message(download(`${base}none`)),
    /^Cannot fetch http.*none: the server answered with status 404\./,
  );
  t.match(await message(download("http://127.0.0.1:9/x")), /^Cannot fetch http:\/\/127\.0\.0\.1:9\/x: /);
  const other = { ...expected, sha256: "0".repeat(64) };
  t.match(await message(download(url, { expected: other })), /^http.*file is damaged or of another version/);
  site.breakAfter = 100_000;
  t.match(await message(download(url)), /^Fetching http.*file stopped after \d+ bytes/);
  site.breakAfter = Number.POSITIVE_INFINITY;
  const aborted = AbortSignal.abort(new Error("no more"));
  t.equal(await message(download(url, { signal: aborted })), "not a UserError: no more");
  const controller = new AbortController();
  const during = download(url, {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error("stop")),
  });
  t.equal(await message(during), "not a UserError: stop", "aborted on the way");
});

tap.test("download with Cache Storage", async (t) => {
  const site = new Site();
  const base = await site.open();
  const storage = fakeCaches();
  Object.assign(globalThis, { caches: storage });
  t.teardown(() => {
    site.close();
    delete (globalThis as { caches?: unknown }).caches;
  });
  const [old, fresh] = [new Uint8Array(1000).fill(1), new Uint8Array(900).fill(2)];
  site.files.set("file", old);
  const url = `${base}file`;
  t.same(await download(url, { expected: hashed(old) }), old);
  t.same(await download(url, { expected: hashed(old) }), old);
  t.equal(site.requests.length, 1, "the second time nothing is asked of the server");
  site.files.set("file", fresh);
  t.same(await download(url, { expected: hashed(fresh) }), fresh, "another hash is another file");
  t.same([...storage.entries.values()], [fresh], "which takes the place of the old one");
  const [key] = storage.entries.keys();
  storage.entries.set(key!, old);
  t.same(await download(url, { expected: hashed(fresh) }), fresh, "what is damaged in the cache comes anew");
  t.same([...storage.entries.values()], [fresh], "and is mended");
  const before = site.requests.length;
  await download(url, { expected: hashed(fresh), cache: false });
  t.equal(site.requests.length, before + 1, "cache: false asks the server");
});

tap.test("Captioner.load", async (t) => {
  const gpu = await sharedGpu();
  const made = build(gpu);
  const files = new MemoryFiles();
  await made.save(files, "w", await saved(made));
  const picture = { width: 16, height: 16, data: pictures(1) };
  const expected = await made.caption(picture);
  made.dispose();
  const site = new Site();
  const base = await site.open();
  t.teardown(() => site.close());
  const config = await files.readText("w/config.json");
  const weights = await files.read("w/model.safetensors");
  site.files.set("w/config.json", config);
  site.files.set("w/model.safetensors", weights);
  t.equal(JSON.parse(config).weights.sha256, hashed(weights).sha256, "config.json names the weights' hash");

  let loaded = 0;
  const captioner = await Captioner.load(`${base}w`, {
    gpu,
    onProgress: (progress) => {
      loaded = progress.loaded;
    },
  });
  t.equal(loaded, weights.length, "progress");
  t.same(await captioner.caption(picture), expected, "says what the saved one says");
  const live = gpu.memory.liveBytes;
  captioner.dispose();
  t.ok(gpu.memory.liveBytes < live, "gives its weights back");
  await gpu.idle();

  const own = await Captioner.load(new URL(`${base}w/`), { device: gpu.device });
  t.not(own.gpu, gpu, "an engine of its own on a device of the page's");
  t.same(await own.caption(picture), expected, "on a shared device");
  own.dispose();
  t.same(await gpu.device.queue.onSubmittedWorkDone(), undefined, "which lives on");

  t.match(
    await message(Captioner.load(`${base}elsewhere`, { gpu })),
    /^Cannot fetch .*elsewhere\/config\.json: the server answered with status 404/,
  );
  site.files.set("bad/config.json", config);
  site.files.set("bad/model.safetensors", weights.slice(0, -4));
  t.match(await message(Captioner.load(`${base}bad`, { gpu })), /bad\/model\.safetensors is damaged/);
  site.files.set("bad/config.json", "{}");
  t.match(await message(Captioner.load(`${base}bad`, { gpu })), /bad\/config\.json has format undefined/);
  site.files.set(
    "bad/config.json",
    config.replace(/"sha256": .*,\n/, "").replace(/"sha256": "./, '"sha256": "?'),
  );
  t.match(
    await message(Captioner.load(`${base}bad`, { gpu })),
    /"weights" should hold the bytes and the sha256/,
  );
  t.match(
    await message(Captioner.load(`${base}w`, { gpu, signal: AbortSignal.abort(new Error("gone")) })),
    /gone/,
  );
  t.match(
    await message(Captioner.load(`${base}w`)),
    /^WebGPU is not available here/,
    "a page without WebGPU",
  );
  await files.write("w/model.safetensors", weights.slice(4));
  t.match(await message(Captioner.fromFolder(gpu, files, "w")), /^w\/model\.safetensors is damaged/);
  t.ok(Gpu.from(gpu.device), "the device can be used further");
});

tap.test("a server that sends too much is not listened to for long", async (t) => {
  const chunk = new Uint8Array(1 << 20).fill(0x20);
  let sent = 0;
  const server = createServer(async (request, response) => {
    const announced = new URL(request.url!, "http://x").searchParams.get("length");
    response.writeHead(200, announced === null ? {} : { "content-length": announced });
    // Endless.
    while (!response.destroyed) {
      sent += chunk.length;
      if (!response.write(chunk)) await Promise.race([once(response, "drain"), once(response, "close")]);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/config.json`;
  t.match(
    await message(downloadText(url)),
    /config\.json is too large: \d+ bytes have arrived already, and at most 67108864/,
  );
  t.ok(sent < 200 * 2 ** 20, `${sent} bytes were sent`);
  const expected = { sha256: "0".repeat(64), bytes: 1000 };
  t.match(
    await message(download(url, { expected })),
    /is too large: \d+ bytes have arrived already, and at most 1000/,
  );
  const announced = `${url}?length=800000000`;
  t.match(await message(downloadText(announced)), /is too large: 800000000 bytes are announced/);
});

tap.test("in Node a folder's path is no address", async (t) => {
  for (const path of ["weights/emoji", "/weights/emoji", "C:\\weights", "file:///weights"]) {
    await t.rejects(Captioner.load(path), {
      message: /is not a web address; .*mc-diffusion\/node/,
    });
  }
});
