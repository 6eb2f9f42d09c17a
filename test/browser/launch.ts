/**
 * A headless Chromium with WebGPU on SwiftShader, and pages in it that keep what they complain of. The browser is
 * the one that the npm package @sparticuz/chromium carries, with its own libraries and font: nothing of the system
 * is needed but libc. MCD_CHROMIUM names another one (its path), for example a Debian chromium.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { UserError } from "../../dist/platform/errors.js";
import { unpackChromium } from "../../dist/platform/npm-chromium.js";
import { countRequests } from "./settled.js";

const GRAPHICS = [
  "libEGL.so",
  "libGLESv2.so",
  "libvk_swiftshader.so",
  "libvulkan.so.1",
  "vk_swiftshader_icd.json",
];
const SECURITY = [
  "libexpat.so.1",
  "libfreebl3.so",
  "libfreeblpriv3.so",
  "libnspr4.so",
  "libnss3.so",
  "libnssutil3.so",
  "libplc4.so",
  "libplds4.so",
  "libsoftokn3.so",
];
const FONTS = ["OpenSans-Bold.ttf", "OpenSans-Italic.ttf", "OpenSans-Regular.ttf"];

const ANOTHER = "MCD_CHROMIUM=/path/to/chromium takes another one";

const ARGUMENTS = [
  // Chromium refuses to run as root with its sandbox; all pages are our own.
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
];

/**
 * For pages that show WebGPU in a canvas: without a GPU, Chromium puts pages together by OpenGL, which frames of Vulkan
 * do not reach; the device is then lost at the first one ("destroyed").
 */
const PRESENTING = [
  "--enable-features=Vulkan",
  "--use-vulkan=swiftshader",
  "--disable-vulkan-surface",
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--ignore-gpu-blocklist",
];

export interface LaunchOptions {
  /** False: a browser whose `navigator.gpu` gives no adapter. Default true. */
  webgpu?: boolean;
  /** Whether a canvas may show what WebGPU draws. Default false. */
  presents?: boolean;
}

export interface TestBrowser {
  readonly browser: Browser;
  /** For reports: name and version. */
  readonly description: string;
  close(): Promise<void>;
}

/**
 * Waits until pages get a device. On a busy machine the browser's GPU process may start again during the first request, which then
 * fails; the browser logs it as a warning, and tests count warnings.
 */
async function settleGpu(browser: Browser): Promise<void> {
  const page = await browser.newPage();
  const url = "http://localhost/settle-gpu";
  await page.route(url, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
  await page.goto(url);
  for (let attempt = 1; attempt < 10; attempt++) {
    const opened = await page.evaluate(async () => {
      try {
        const device = await (await navigator.gpu.requestAdapter())?.requestDevice();
        device?.destroy();
        return device !== undefined;
      } catch {
        return false;
      }
    });
    if (opened) break;
    await page.waitForTimeout(300);
  }
  await page.close();
}

/** Starts the browser. Throws a `UserError` that says what is missing if it does not come up. */
export async function launch({ webgpu = true, presents = false }: LaunchOptions = {}): Promise<TestBrowser> {
  const own = process.env.MCD_CHROMIUM;
  const scratch = await mkdtemp(join(tmpdir(), "mcd-browser-"));
  const remove = () => rm(scratch, { recursive: true, force: true });
  try {
    const { executablePath, env } = own ? userBrowser(own) : await bundledBrowser(scratch);
    const browser = await chromium.launch({
      executablePath,
      headless: true,
      env: { ...process.env, ...env },
      args: !webgpu
        ? ["--no-sandbox", "--disable-gpu"]
        : presents
          ? [...ARGUMENTS, ...PRESENTING]
          : ARGUMENTS,
    });
    if (webgpu) await settleGpu(browser);
    const newContext = browser.newContext.bind(browser);
    // Tests that answer requests of a page in its server's place do not see those that a service worker makes.
    browser.newContext = async (options) => {
      const context = await newContext(options);
      if (options?.serviceWorkers !== "allow") {
        await context.addInitScript(() => {
          Object.defineProperty(Navigator.prototype, "serviceWorker", { get: () => undefined });
        });
      }
      return context;
    };
    return {
      browser,
      description: `${own ?? "Chromium of @sparticuz/chromium"}, version ${browser.version()}`,
      async close() {
        await browser.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    if (error instanceof UserError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new UserError(`Chromium does not start here (${reason(text)}); ${ANOTHER}.`);
  }
}

/** Playwright throws its whole log; what tells is the loader's line or Chromium's own, which begins with its place. */
function reason(log: string): string {
  const telling = /error while loading shared libraries.*/.exec(log) ?? /(?:FATAL|ERROR):.*/.exec(log);
  return (telling?.[0] ?? log.split("\n")[0]!.replace(/^browserType\.launch: /, "")).trim();
}

function userBrowser(path: string): { executablePath: string; env: Record<string, string> } {
  if (!existsSync(path)) throw new UserError(`MCD_CHROMIUM names ${path}, which does not exist.`);
  return { executablePath: path, env: {} };
}

async function bundledBrowser(
  scratch: string,
): Promise<{ executablePath: string; env: Record<string, string> }> {
  const folder =
    process.platform === "linux" && process.arch === "x64"
      ? await unpackChromium(
          "chromium",
          ["chromium.br", "swiftshader.tar.br", "al2023.tar.br", "fonts.tar.br"],
          ["chromium", ...GRAPHICS, ...SECURITY, ...FONTS],
        )
      : null;
  if (folder === null) {
    throw new UserError(
      `There is no browser for the tests: @sparticuz/chromium is for Linux on x64 and comes with npm ci; ${ANOTHER}.`,
    );
  }
  const fonts = join(scratch, "fonts.conf");
  await writeFile(
    fonts,
    `<?xml version="1.0"?><fontconfig><dir>${folder}</dir><cachedir>${scratch}</cachedir></fontconfig>`,
  );
  return {
    executablePath: join(folder, "chromium"),
    env: { LD_LIBRARY_PATH: folder, FONTCONFIG_FILE: fonts },
  };
}

declare global {
  /** Whether the page's modules have run, awaits at their top included: only then are all tests declared. Of pages of `bundle.ts`. */
  var mcdLoaded: boolean | undefined;
}

export interface TestPage {
  readonly page: Page;
  /** Warnings and errors of the console, exceptions nobody caught, crashes; grows as they come. */
  readonly problems: string[];
}

/** Opens an address in a page of its own profile and waits until it is loaded; `before` runs in it before anything else. */
export async function openPage(
  { browser }: TestBrowser,
  url: string,
  before?: () => void,
): Promise<TestPage> {
  const page = await browser.newPage();
  countRequests(page);
  if (before) await page.addInitScript(before);
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "warning" || message.type() === "error")
      problems.push(`console ${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`not caught: ${error.message}`));
  page.on("crash", () => problems.push("the page crashed"));
  page.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText;
    // What the page itself gave up (a body that it did not want) is no failure.
    if (reason !== "net::ERR_ABORTED") problems.push(`request failed: ${request.url()} (${reason})`);
  });
  await goTo(page, url);
  return { page, problems };
}

/** Opens an address and waits until it is loaded; of a page of `bundle.ts`, until its modules have run, or for a minute. */
export async function goTo(page: Page, url: string): Promise<void> {
  await page.goto(url);
  // Where they never do, a page of tests tells why.
  await page
    .waitForFunction(() => globalThis.mcdLoaded !== false, undefined, { timeout: 60_000 })
    .catch(() => {});
}
