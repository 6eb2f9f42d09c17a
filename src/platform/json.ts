import { UserError } from "./errors.js";
import { shown } from "./shown.js";

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
/** A JSON object. */
export type JsonRecord = { readonly [key: string]: Json };

/** Formats JSON with two-space indents and a final newline. Throws for NaN and Infinity, which JSON would turn into null. */
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

/** Deepest nesting accepted: our files need less, and recursive functions would overflow the stack. */
const DEEPEST = 100;

/** `JSON.parse` that also throws a `SyntaxError` for values nested deeper than `DEEPEST`. */
export function parseJson(text: string): unknown {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (sign === '"') {
      // Skip to the closing quote; a backslash escapes the next character.
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++;
    } else if (sign === "[" || sign === "{") {
      if (++depth > DEEPEST) throw new SyntaxError(`it is nested more than ${DEEPEST} deep`);
    } else if (sign === "]" || sign === "}") depth--;
  }
  return JSON.parse(text);
}

/** Whether a value is a JSON object, neither an array nor null. */
export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses a JSON object. Throws a `UserError` that names `fileName` if the text is not one. */
export function parseJsonRecord(text: string, fileName: string): JsonRecord {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new UserError(`${fileName} is not valid JSON: ${shown((error as Error).message)}`);
  }
  if (!isRecord(value)) {
    throw new UserError(`${fileName} should hold a JSON object ({…})`);
  }
  return value as JsonRecord;
}
