/** The parts of a Hugging Face `config.json` of a CLIP that shapes of tensors do not tell. */

import { UserError } from "../../platform/errors.js";
import { isRecord, type JsonRecord } from "../../platform/json.js";
import { shown } from "../../platform/shown.js";
import type { ClipActivation } from "./shape.js";

/** Settings of a tower; what the file leaves out is undefined. */
export interface HuggingFaceTower {
  readonly width?: number | undefined;
  readonly heads?: number | undefined;
  readonly activation?: ClipActivation | undefined;
  readonly epsilon?: number | undefined;
}

export interface HuggingFaceConfig {
  readonly image: HuggingFaceTower;
  readonly text: HuggingFaceTower;
  /** Null: the largest id of a text ends it. */
  readonly endId: number | null;
}

const activations: Readonly<Record<string, ClipActivation>> = { quick_gelu: "quick-gelu", gelu: "gelu" };

/** Published files say 2, which those who read them take for "the largest id": the end token of OpenAI's vocabulary. */
const largestId = 2;

/** Reads the settings of both towers. Throws a `UserError` that names the file and the key. */
export function readHuggingFaceConfig(config: JsonRecord, fileName: string): HuggingFaceConfig {
  const section = (name: string): JsonRecord => {
    // Older files have the settings twice; the name without _dict takes precedence.
    const value = config[name] ?? config[`${name}_dict`] ?? {};
    if (!isRecord(value)) throw new UserError(`${fileName}: "${name}" should be an object`);
    return value;
  };
  const tower = (name: string): HuggingFaceTower => {
    const own = section(name);
    const number = (key: string, whole: boolean): number | undefined => {
      const value = own[key];
      if (value === undefined || value === null) return undefined;
      if (typeof value === "number" && value > 0 && (!whole || Number.isInteger(value))) return value;
      throw new UserError(
        `${fileName}: ${name}.${key} is ${shown(JSON.stringify(value), 40)}, not a positive ${whole ? "whole " : ""}number`,
      );
    };
    const act = own.hidden_act;
    if (act !== undefined && (typeof act !== "string" || !Object.hasOwn(activations, act)))
      throw new UserError(
        `${fileName}: ${name}.hidden_act is ${shown(JSON.stringify(act), 40)}; known are ${Object.keys(activations).join(" and ")}`,
      );
    return {
      width: number("hidden_size", true),
      heads: number("num_attention_heads", true),
      activation: act === undefined ? undefined : activations[act],
      epsilon: number("layer_norm_eps", false),
    };
  };
  const end = section("text_config").eos_token_id;
  const isId = typeof end === "number" && Number.isInteger(end) && end >= 0;
  if (end !== undefined && end !== null && !isId)
    throw new UserError(
      `${fileName}: text_config.eos_token_id is ${shown(JSON.stringify(end), 40)}, not a token`,
    );
  return {
    image: tower("vision_config"),
    text: tower("text_config"),
    endId: isId && end !== largestId ? end : null,
  };
}
