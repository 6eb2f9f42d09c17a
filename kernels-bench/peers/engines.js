/** The peers by name: whether they are installed, and how each one opens. */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { UserError } from "../../dist/engine/index.js";
import { openNodeDevice } from "../../dist/node.js";

/** @import { Engine } from "./types.js" */

/** npm packages of each peer; the first carries the version. */
const packages = /** @type {const} */ ({
  tfjs: ["@tensorflow/tfjs-backend-webgpu", "@tensorflow/tfjs"],
  jax: ["@jax-js/jax"],
});

/** @typedef {keyof typeof packages} PeerName */

export const peerNames = /** @type {PeerName[]} */ (Object.keys(packages));

/**
 * The names in a list like "tfjs,jax". Throws a `UserError` for a name that is none (exit code 2) and when a peer is
 * not installed (1).
 * @param {string} list
 * @returns {PeerName[]}
 */
export function chosenPeers(list) {
  const names = [...new Set(list.split(",").map((name) => name.trim()))].filter((name) => name !== "");
  const unknown = names.filter((name) => !Object.hasOwn(packages, name));
  if (unknown.length > 0 || names.length === 0) {
    throw new UserError(
      `--vs ${list}: there is no peer "${unknown[0] ?? ""}"; choose from ${peerNames.join(", ")}.`,
      2,
    );
  }
  const chosen = /** @type {PeerName[]} */ (names);
  if (!chosen.every((name) => packages[name].every(folderOf))) {
    throw new UserError("The engines to compare with are not installed; run npm ci --prefix kernels-bench.");
  }
  return chosen;
}

const { resolve } = createRequire(import.meta.url);

/**
 * The package's folder, looked for as Node looks for modules.
 * @param {string} name
 */
function folderOf(name) {
  const folders = (resolve.paths(name) ?? []).map((folder) => join(folder, name));
  return folders.find((folder) => existsSync(join(folder, "package.json")));
}

/** @param {PeerName} name */
export function peerVersion(name) {
  const folder = /** @type {string} */ (folderOf(packages[name][0]));
  return /** @type {string} */ (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version);
}

/**
 * Opens a peer on a device of its own, on the adapter that this engine uses and with all its limits and features.
 * @param {PeerName} name
 * @param {string | undefined} adapter
 * @returns {Promise<Engine>}
 */
export async function openPeer(name, adapter) {
  const opened = await openNodeDevice({ adapter });
  /** @type {string | null} */
  let complaint = null;
  opened.device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    complaint ??= event.error.message.split("\n")[0] ?? "";
  });
  opened.device.lost.then(({ message }) => {
    complaint ??= `the device was lost: ${message}`;
  });
  offer(opened);
  const engine =
    name === "tfjs"
      ? await (await import("./tfjs.js")).tfjsEngine(opened.device)
      : await (await import("./jax.js")).jaxEngine();
  return {
    ...engine,
    complaint() {
      const said = complaint;
      complaint = null;
      return said;
    },
  };
}

/**
 * Both peers ask a browser's `navigator.gpu` for an adapter and that for a device; in Node there is none.
 * @param {import("../../dist/node.js").NodeDevice} opened
 */
function offer({ adapter, device }) {
  const { features, limits, info } = adapter;
  const shown = { features, limits, info, requestDevice: async () => device };
  const navigator = {
    userAgent: `Node.js/${process.versions.node}`,
    hardwareConcurrency: 1,
    gpu: { requestAdapter: async () => shown },
  };
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: navigator });
}
