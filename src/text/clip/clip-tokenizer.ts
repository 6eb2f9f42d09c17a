/** CLIP's byte-pair encoding as the tokenizer of captions. */

import { UserError } from "../../platform/errors.js";
import { isRecord } from "../../platform/json.js";
import { type BuildOptions, fixLength, type Span, type Tokenizer } from "../tokenizer.js";
import { ClipBpe, MergeError } from "./bpe.js";
import { readClipVocabulary } from "./vocabulary.js";

/** Ends of English words that CLIP's tokenizer splits off. */
const CONTRACTION = /^'(?:[sſ]|t|re|ve|m|ll|d)$/u;
const ALPHANUMERIC_END = /[\p{L}\p{N}]$/u;
const DIGIT = /^\p{Nd}$/u;
/** Signs that stand directly behind a word. */
const BEHIND_WORD = /^[.,!?;:)]/;

/**
 * Pieces of words by CLIP's vocabulary. A caption ends with CLIP's end token, which also fills the rest of a sequence; there is
 * no unknown word, as bytes spell everything.
 *
 * Texts come back as people write them: "the bird's blue-gray wings, 12 cm" is nine tokens and more, of which `spans` makes six
 * words and a sign. `ClipBpe.decode` gives the spaces of OpenAI's code instead.
 */
export class ClipTokenizer implements Tokenizer {
  readonly name = "clip";
  readonly bpe: ClipBpe;
  readonly vocabularySize: number;
  readonly endId: number;
  readonly unknownId = null;
  /** CLIP's start token, which captions do not have. */
  readonly neverSaid: readonly number[];

  constructor(bpe: ClipBpe) {
    this.bpe = bpe;
    this.vocabularySize = bpe.size;
    this.endId = bpe.endId;
    this.neverSaid = [bpe.startId];
  }

  /** Reads `options.vocabulary`; the captions do not matter. Throws a `UserError` if there is none. */
  static async build(_captions: Iterable<string>, { vocabulary }: BuildOptions): Promise<ClipTokenizer> {
    if (!vocabulary) {
      throw new UserError(
        "data.tokenizer=clip needs data.vocabulary: bpe_simple_vocab_16e6.txt.gz, tokenizer.json, vocab.json or merges.txt of CLIP, or their folder",
      );
    }
    return new ClipTokenizer(await readClipVocabulary(vocabulary.path, vocabulary.files));
  }

  /** Restores a tokenizer from the object of `toJSON`. `source` names the file in errors. Throws a `UserError`. */
  static fromJSON(value: unknown, source: string): ClipTokenizer {
    const merges = isRecord(value) && typeof value.merges === "string" ? value.merges : null;
    if (merges === null)
      throw new UserError(`${source} is not a vocabulary of CLIP's tokenizer: "merges" should be a text`);
    try {
      return new ClipTokenizer(new ClipBpe(merges === "" ? [] : merges.split("\n")));
    } catch (error) {
      if (!(error instanceof MergeError)) throw error;
      throw new UserError(`${source}: merge ${error.merge + 1} of its tokenizer is wrong: ${error.message}`);
    }
  }

  toJSON(): { tokenizer: "clip"; merges: string } {
    return { tokenizer: "clip", merges: this.bpe.merges.join("\n") };
  }

  /** The ids of a caption. Start and end tokens that its text spells out are left out: a caption has one end. */
  encode(caption: string): number[] {
    return this.bpe.encode(caption).filter((id) => id < this.bpe.startId);
  }

  encodeFixed(caption: string, length: number): Uint32Array {
    return fixLength(this.encode(caption), this.endId, length);
  }

  decode(ids: ArrayLike<number>): string {
    const all = Array.from(ids);
    const end = all.indexOf(this.endId);
    const said = end < 0 ? all : all.slice(0, end);
    let text = "";
    for (const { from, to } of this.spans(said)) {
      const word = this.#textOf(said.slice(from, to));
      const isAttached = /^$|(^| )\($/.test(text) || (BEHIND_WORD.test(word) && ALPHANUMERIC_END.test(text));
      text += isAttached ? word : ` ${word}`;
    }
    return text;
  }

  /** The text of a word's tokens; "_" for [MASK]. */
  #textOf(ids: readonly number[]): string {
    if (ids[0] === this.vocabularySize) return "_";
    const bytes = ids.flatMap((id) => this.bpe.bytesOf(id));
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
  }

  word(id: number): string {
    if (id === this.endId) return "[END]";
    if (id === this.bpe.startId) return "[START]";
    return id >= this.vocabularySize ? "[MASK]" : this.#textOf([id]);
  }

  endsWord(id: number): boolean {
    return id >= this.vocabularySize || this.bpe.endsWord(id);
  }

  unknownWords(): string[] {
    return [];
  }

  /**
   * Tokens up to the end of a word make one; so do a word and its contraction ("bird" "'s"), words joined by a hyphen
   * ("blue" "-" "gray") and the digits of a number. A word that [END] or [MASK] follows ends there.
   */
  spans(ids: ArrayLike<number>): Span[] {
    const spans: Span[] = [];
    const texts: string[] = [];
    let from = 0;
    for (let i = 0; i < ids.length; i++) {
      const isSpecial = (at: number) => at >= ids.length || ids[at]! >= this.bpe.startId;
      if (!isSpecial(i) && !this.bpe.endsWord(ids[i]!) && !isSpecial(i + 1)) continue;
      const span = { from, to: i + 1 };
      from = i + 1;
      const text = isSpecial(i)
        ? ""
        : this.#textOf(Array.from({ length: span.to - span.from }, (_, k) => ids[span.from + k]!));
      if (joins(texts, text)) {
        spans.at(-1)!.to = span.to;
        texts[texts.length - 1] += text;
      } else {
        spans.push(span);
        texts.push(text);
      }
      // A hyphen waits for the word behind it: "blue" "-" "gray".
      mergeHyphen(spans, texts);
    }
    return spans;
  }
}

/** Whether a text continues the word before it. */
function joins(texts: readonly string[], text: string): boolean {
  const before = texts.at(-1);
  if (before === undefined || text === "") return false;
  if (CONTRACTION.test(text)) return ALPHANUMERIC_END.test(before);
  return DIGIT.test(text) && /\p{Nd}$/u.test(before);
}

/** Joins the last three words if the middle one is a hyphen between letters or digits. */
function mergeHyphen(spans: Span[], texts: string[]): void {
  const [left, sign, right] = [texts.at(-3) ?? "", texts.at(-2), texts.at(-1) ?? ""];
  if (sign !== "-" || !ALPHANUMERIC_END.test(left) || !/^[\p{L}\p{N}]/u.test(right)) return;
  spans.splice(-3, 3, { from: spans.at(-3)!.from, to: spans.at(-1)!.to });
  texts.splice(-3, 3, `${left}-${right}`);
}
