/** npm packages that this one works without: `webgpu`, `sharp`, `@sparticuz/chromium`. */

/** Whether `import(name)` failed because the package is not installed, rather than because it does not load. */
export function isNotInstalled(error: unknown, name: string): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return code === "ERR_MODULE_NOT_FOUND" && new RegExp(`['"]${name}['"]`).test(String(message));
}
