/** What an adapter says of itself: whether it computes on the CPU, and its name. */

/** In the names of adapters that compute on the CPU. */
export const softwareNames = /llvmpipe|swiftshader|microsoft basic render/i;

/** Whether "the GPU" is the CPU: Mesa's lavapipe, SwiftShader, WARP, and whatever else calls itself a fallback. */
export function isSoftware({
  description,
  device,
  architecture,
  isFallbackAdapter,
}: GPUAdapterInfo): boolean {
  // Browsers that lag behind the specification do not know `isFallbackAdapter` yet.
  return isFallbackAdapter === true || softwareNames.test(`${description} ${device} ${architecture}`);
}

/** The name of an adapter for people; browsers may keep it to themselves. */
export function adapterName({ description, device, vendor, architecture }: GPUAdapterInfo): string {
  return description || device || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter";
}
