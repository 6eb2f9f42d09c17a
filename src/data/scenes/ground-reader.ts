/** Reads what captions say of the ground: "on a blue background", "a red to white gradient". */

import { COLOUR_NAMES, type Ground } from "./background.js";
import type { ClaimedWord, GroundClaim } from "./claims.js";
import { GROUNDS, isContentWord, OTHER_COLOUR_NAMES } from "./phrases.js";

/** Words for colours, longer ones first, with the names that grounds have. */
const COLOURS = new Map(
  COLOUR_NAMES.flatMap((name) =>
    [...new Set([name, ...(OTHER_COLOUR_NAMES[name] ?? [])])].map((word) => [word, name] as const),
  ).sort(([a], [b]) => b.length - a.length),
);
const COLOUR = `(${[...COLOURS.keys()].join("|")})`;
/** Words for a ground that follow none of the wordings, up to the noun that ends them. */
const LOOSE = new RegExp(
  `^an? (?:(?:${COLOUR.slice(1, -1)}|plain|striped|dotted|checkered|speckled|grainy|polka|and|to) )+(?:background|gradient|checkerboard|stripes|dots)(?= |$)`,
);

interface Wording {
  readonly form: RegExp;
  readonly kind: Ground["kind"];
  readonly ordered: boolean;
}

/** All wordings of all grounds; those that follow "the background is" with these words. */
const WORDINGS: readonly Wording[] = (Object.keys(GROUNDS) as Ground["kind"][]).flatMap((kind) =>
  (["on", "is", "noun"] as const).flatMap((form) =>
    GROUNDS[kind][form].map((wording) => {
      const whole = form === "is" ? `the background is ${wording}` : wording;
      const pattern = whole
        .replace(/\ba\b/g, "an?")
        .replace(/\b[AB]\b/g, COLOUR)
        .replace("DIRECTION", "(?<direction>vertical|horizontal|diagonal)");
      return { form: new RegExp(`^${pattern}(?= |$)`), kind, ordered: !wording.includes("A and B") };
    }),
  ),
);
const FIRST_WORDS = new Set(["a", "an", "on", "against", "the"]);

/** The ground that the words from `at` on describe, and how many words do; null if they describe none. */
export function readGround(
  words: readonly string[],
  at: number,
): { readonly ground: GroundClaim; readonly length: number } | null {
  if (!FIRST_WORDS.has(words[at]!)) return null;
  const text = words.slice(at).join(" ");
  let found: { match: RegExpExecArray; wording: Wording | null } | null = null;
  for (const wording of WORDINGS) {
    const match = wording.form.exec(text);
    if (match && match[0].length > (found?.match[0].length ?? 0)) found = { match, wording };
  }
  const loose = found ? null : LOOSE.exec(text);
  if (loose) found = { match: loose, wording: null };
  if (!found) return null;
  const { match, wording } = found;
  const direction = match.groups?.direction ?? null;
  const colours = match.slice(1).flatMap((word) => (COLOURS.has(word) ? [COLOURS.get(word)!] : []));
  const length = match[0].split(" ").length;
  const said = words.slice(at, at + length).flatMap((word, i): ClaimedWord[] => {
    const isSaid = word !== "background" && isContentWord(word, "ground");
    return isSaid ? [{ word: at + i, role: "ground" }] : [];
  });
  return {
    ground: wording
      ? { kind: wording.kind, colours, ordered: wording.ordered, direction, words: said }
      : { kind: null, colours: [], ordered: false, direction: null, words: said },
    length,
  };
}
