/** Facts from an adapter's info: its name, and whether it computes on the CPU. */

/** Matches the names of adapters that compute on the CPU. */
export const softwareNames = /llvmpipe|swiftshader|microsoft basic render/i;

/** Whether "the GPU" is the CPU: Mesa's lavapipe, SwiftShader, WARP, and any other fallback adapter. */
export function isSoftware({
  description,
  device,
  architecture,
  isFallbackAdapter,
}: GPUAdapterInfo): boolean {
  // Older browsers do not have `isFallbackAdapter`.
  return isFallbackAdapter === true || softwareNames.test(`${description} ${device} ${architecture}`);
}

/** An adapter's name for display. Browsers may withhold it. */
export function adapterName({ description, device, vendor, architecture }: GPUAdapterInfo): string {
  return description || device || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter";
}

/** Devices whose subgroups are not in the order that kernels need (`subgroup-layout.ts`): only portable kernels run there. */
export const unorderedSubgroups = new WeakSet<GPUDevice>();
