/** METEOR's normalisation of English lines (`-l en -norm`): signs apart, contractions and hyphens split, final dots. */

/** Letters and letters with digits as METEOR knows them: Western European, Cyrillic, phonetic. */
const LETTERS = "A-Za-zŠŽšžŸÀ-ÖØ-öø-ž\u0400-\u0527\ua640-\ua66e\ua67e-\ua697\u1d00-\u1d7f";
const ALNUM = `0-9${LETTERS}`;

/** Each rule in its order: an expression and what replaces all of its matches. */
const BEFORE_QUOTES: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`([^${ALNUM} \\t\\n\\v\\f\\r.'\`,\\-‘’])`, "g"), " $1 "],
];
const AFTER_DOTS: readonly (readonly [RegExp, string])[] = [
  [/([^0-9]),([^0-9])/g, "$1 , $2"],
  [/([0-9]),([^0-9])/g, "$1 , $2"],
  [/([^0-9]),([0-9])/g, "$1 , $2"],
  [/[`‘’]/g, "'"],
  [/[“”]|''/g, ' " '],
  [/–/g, "-"],
  [/--/g, "-"],
  [new RegExp(`([${ALNUM}.])-([${ALNUM}])`, "g"), "$1 $2"],
  [new RegExp(`([^${LETTERS}])'([^${LETTERS}])`, "g"), "$1 ' $2"],
  [new RegExp(`([^${ALNUM}])'([${LETTERS}])`, "g"), "$1 ' $2"],
  [new RegExp(`([${LETTERS}])'([^${LETTERS}])`, "g"), "$1 ' $2"],
  [new RegExp(`([${LETTERS}])'([${LETTERS}])`, "g"), "$1 '$2"],
  [/([0-9])'(s)/g, "$1 '$2"],
];

/** Abbreviations that keep their dot, in the letter case in which they are listed; with "#" only before a number. */
const PREFIXES: ReadonlySet<string> = new Set(
  `A B C D E F G H I J K L M N O P Q R S T U V W X Y Z
   Adj Adm Adv Asst Bart Bldg Brig Bros Capt Cmdr Col Comdr Con Corp Cpl DR Dr Drs Ens Gen Gov Hon Hr Hosp Insp Lt MM MR MRS MS
   Maj Messrs Mlle Mme Mr Mrs Ms Msgr Op Ord Pfc Ph Prof Pvt Rep Reps Res Rev Rt Sen Sens Sfc Sgt Sr St Supt Surg
   v vs i.e rev e.g Nos Nr No# Art# pp#`.split(/\s+/),
);

/**
 * The tokens of a line as METEOR 1.5 compares them, in lower case. It runs on top of the tokenizer of a pipeline: with Penn
 * Treebank tokens, "yellow-bellied" becomes two words here.
 */
export function meteorTokens(line: string): string[] {
  let text = ` ${line} `;
  for (const [expression, replacement] of BEFORE_QUOTES) text = text.replace(expression, replacement);
  // Dots in a row are one token of their own, out of reach of the rules for final dots.
  text = text.replace(/\.(\.+)/g, (dots) => ` ${"\u0000".repeat(dots.length)} `);
  for (const [expression, replacement] of AFTER_DOTS) text = text.replace(expression, replacement);
  const words = text.split(/[ \t\n\f\r]+/).filter((word) => word !== "");
  return words
    .flatMap((word, i) => splitFinalDot(word, words[i + 1]))
    .map((word) => word.replaceAll("\u0000", ".").toLowerCase());
}

/** Splits a final dot off, unless the word is an abbreviation; removes the dots of "U.S.". */
function splitFinalDot(word: string, next: string | undefined): string[] {
  if (word.length < 2 || !word.endsWith(".")) return [word];
  const stem = word.slice(0, -1);
  if (stem.includes(".") && new RegExp(`[${LETTERS}]`).test(stem)) return [word.replaceAll(".", "")];
  if (PREFIXES.has(stem) || (next !== undefined && /^[a-z]/.test(next))) return [word];
  if (PREFIXES.has(`${stem}#`) && next !== undefined && /^[0-9]/.test(next)) return [word];
  return [stem, "."];
}
