/** YAML files of other programs, by the library `yaml`. Node only, so that no page carries it. */

import { parse } from "yaml";
import { UserError } from "./errors.js";
import { isRecord, type JsonRecord } from "./json.js";
import { shown } from "./shown.js";

/** Most characters of a configuration: the library takes seconds for megabytes. */
const MOST = 1_000_000;

/** Parses a YAML mapping. Throws a `UserError` that names `fileName` if the text is not one. */
export function parseYamlRecord(text: string, fileName: string): JsonRecord {
  if (text.length > MOST)
    throw new UserError(`${fileName} has ${text.length} characters: too many for a configuration`);
  let value: unknown;
  try {
    // The core schema has no tags that make objects of classes; aliases are bounded by the library.
    value = parse(text, { schema: "core", logLevel: "error" });
  } catch (error) {
    const [line] = (error as Error).message.split("\n");
    throw new UserError(`${fileName} is not valid YAML: ${shown(line!.replace(/:$/, ""))}`);
  }
  if (!isRecord(value)) throw new UserError(`${fileName} should hold a YAML mapping (key: value)`);
  return value;
}
