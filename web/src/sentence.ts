/** Errors as sentences for people. */

/** An error as a sentence: capital letter, final full stop. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // File names keep their case.
  const isName = /^\S*[./]/.test(text);
  return `${isName ? text.charAt(0) : text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
