import { UserError } from "../platform/errors.js";

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonRecord = { readonly [key: string]: Json };

/** JSON with two-space indents and a final newline. Throws for NaN and Infinity, which JSON would turn into null. */
export function toJson(value: Json): string {
  const text = JSON.stringify(
    value,
    (key, item: unknown) => {
      if (typeof item === "number" && !Number.isFinite(item))
        throw new Error(`"${key}" is ${item}: not JSON`);
      return item;
    },
    2,
  );
  return `${text}\n`;
}

/** Parses a JSON object; `fileName` is for the message of the `UserError` when it is not one. */
export function parseJsonRecord(text: string, fileName: string): JsonRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${fileName} is not valid JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new UserError(`${fileName} should hold a JSON object ({…})`);
  }
  return value as JsonRecord;
}
