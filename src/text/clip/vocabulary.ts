/** CLIP's vocabulary from the files that people have, told by their content. */

import { UserError } from "../../platform/errors.js";
import { isRecord, parseJsonRecord } from "../../platform/json.js";
import type { FolderFiles } from "../../platform/platform.js";
import { shown } from "../../platform/shown.js";
import { decodeText } from "../../platform/text.js";
import { CLIP_MERGES, ClipBpe, MergeError, WORD_END } from "./bpe.js";

/** Names of vocabularies in a folder, the first found is read. */
const NAMES = ["tokenizer.json", "merges.txt", "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"];
/** Most bytes of an unpacked file. CLIP's list has 3 MB, tokenizer.json 2 to 4 MB. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * Reads a vocabulary: OpenAI's `bpe_simple_vocab_16e6.txt.gz` (packed or not), Hugging Face's `tokenizer.json` or `merges.txt`,
 * its `vocab.json` with `merges.txt` beside it, or a folder with one of them. Ids that a file states must be those of CLIP's
 * order. Throws a `UserError` that names the file and what is wrong with it.
 */
export async function readClipVocabulary(path: string, files: FolderFiles): Promise<ClipBpe> {
  if (await files.isDirectory(path)) {
    for (const name of NAMES) {
      const file = `${path.replace(/[/\\]+$/, "")}/${name}`;
      if (await files.exists(file)) return readClipVocabulary(file, files);
    }
    throw new UserError(`${path} has no vocabulary of CLIP's tokenizer: ${NAMES.join(", ")}`);
  }
  const bytes = await files.read(path);
  const text = decodeText(isGzip(bytes) ? await unpacked(bytes, path) : bytes, path);
  if (!text.trimStart().startsWith("{")) return fromMerges(mergesOf(text), path);
  const record = parseJsonRecord(text, path);
  if (isRecord(record.model)) return fromTokenizerJson(record.model, record.added_tokens, path);
  const beside = `${path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)}merges.txt`;
  if (!(await files.exists(beside)))
    throw new UserError(
      `${path} lists tokens without merges; put the merges.txt that belongs to it beside it`,
    );
  const bpe = fromMerges(mergesOf(await files.readText(beside)), beside);
  checkIds(bpe, record, path);
  return bpe;
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function unpacked(bytes: Uint8Array, path: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    const stream = new Blob([bytes as Uint8Array<ArrayBuffer>])
      .stream()
      .pipeThrough(new DecompressionStream("gzip"));
    const reader = stream.getReader();
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      parts.push(value!);
      size += value!.length;
      if (size > MOST_BYTES) {
        await reader.cancel();
        break;
      }
    }
  } catch {
    throw new UserError(`${path} is a damaged gzip file`);
  }
  if (size > MOST_BYTES)
    throw new UserError(
      `${path} unpacks to more than ${MOST_BYTES / 2 ** 20} MiB; a vocabulary of CLIP's tokenizer has 3 MB`,
    );
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A list of merges, one a line after a line with the version. Of OpenAI's, which goes on, as many as CLIP uses. */
function mergesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines[0]!.includes("#version")) lines.shift();
  while (lines.at(-1) === "") lines.pop();
  return lines.slice(0, CLIP_MERGES);
}

/** The `model` of a tokenizer.json. Merges are "left right", or pairs in newer files. */
function fromTokenizerJson(model: Record<string, unknown>, added: unknown, path: string): ClipBpe {
  const { type, merges, vocab, end_of_word_suffix: suffix } = model;
  if ((type !== undefined && type !== "BPE") || suffix !== WORD_END || !Array.isArray(merges)) {
    throw new UserError(
      `${path} is not a tokenizer of CLIP's kind: its model should be BPE with merges and the end_of_word_suffix "${WORD_END}"`,
    );
  }
  const bpe = fromMerges(
    merges.map((merge) => (Array.isArray(merge) ? merge.join(" ") : String(merge))),
    path,
  );
  if (!isRecord(vocab)) return bpe;
  // Start and end may stand among the tokens that were added to the vocabulary.
  const more = (Array.isArray(added) ? added : []).filter(isRecord).map(({ content, id }) => [content, id]);
  checkIds(bpe, { ...vocab, ...Object.fromEntries(more) }, path);
  return bpe;
}

function fromMerges(merges: readonly string[], source: string): ClipBpe {
  try {
    return new ClipBpe(merges);
  } catch (error) {
    if (!(error instanceof MergeError)) throw error;
    const merge = shown(JSON.stringify(merges[error.merge]));
    throw new UserError(
      `${source} is not a list of CLIP's merges: merge ${error.merge + 1} is ${merge}; ${error.message}`,
    );
  }
}

/** Throws a `UserError` if a file gives tokens other ids than CLIP's order. */
function checkIds(bpe: ClipBpe, ids: Record<string, unknown>, path: string): void {
  const wrong = bpe.tokens.findIndex((token, id) => ids[token] !== id);
  const more = Object.keys(ids).length - bpe.size;
  if (wrong < 0 && more === 0) return;
  throw new UserError(
    wrong < 0
      ? `${path} has ${more} tokens beside the ${bpe.size} of its merges; CLIP's vocabulary has none`
      : `${path} gives the token ${JSON.stringify(bpe.tokens[wrong])} the id ${shown(String(ids[bpe.tokens[wrong]!]))}; by its merges it is ${wrong}`,
  );
}
