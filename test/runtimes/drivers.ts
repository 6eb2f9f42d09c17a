/** Which Vulkan driver programs other than Node take: the one of `MCD_ADAPTER`, as Node takes it. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Missing } from "./runtime.js";

const manifests = "/usr/share/vulkan/icd.d";

/** lavapipe's manifest, or null where it is not installed. */
export function lavapipe(): string | null {
  if (!existsSync(manifests)) return null;
  const name = readdirSync(manifests).find(
    (file) => /^lvp_icd.*\.json$/.test(file) && !/i[3-6]86/.test(file),
  );
  return name === undefined ? null : join(manifests, name);
}

/**
 * The environment by which a program takes lavapipe. Empty where the user has chosen drivers, where there is none, or with a
 * GPU's driver asked for by `MCD_ADAPTER=gpu`: the program then takes what it finds.
 */
export function driverEnvironment(): Record<string, string> {
  const { env } = process;
  const driver = lavapipe();
  if (driver === null || env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES || env.MCD_ADAPTER === "gpu") return {};
  // Mesa's layer that orders GPUs prints errors where there is no desktop.
  return { VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver, NODEVICE_SELECT: "1" };
}

/** Why a program of that name that has its own WebGPU finds no adapter here; null where it may find one. */
export function noDriver(program: string): Missing | null {
  const { env } = process;
  if (lavapipe() !== null || env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES || env.MCD_ADAPTER === "gpu")
    return null;
  if (process.platform !== "linux" || existsSync("/dev/dri")) return null;
  return {
    missing: `${program} needs a Vulkan driver, for example Mesa's lavapipe (Debian: mesa-vulkan-drivers)`,
  };
}
