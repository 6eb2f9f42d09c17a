/**
 * Parts of the expressions in `rules.ts`: the classes of signs and the lists of words that Penn Treebank tokenization knows.
 * Expressions have the flag `u`. Listed words match in any case (`words`); classes match as they stand.
 */

/** An alternation of words that matches them in upper and lower case. A part in brackets, "[A]rk", keeps its case. */
export function words(list: string): string {
  const anyCase = (text: string) =>
    text.replace(/\[[^\]]*\]|\\.|[a-z]/giu, (sign) =>
      sign.length === 1 ? `[${sign.toLowerCase()}${sign.toUpperCase()}]` : sign,
    );
  return `(?:${list.trim().split(/\s+/).map(anyCase).join("|")})`;
}

/** Letters that make up a word: with accents apart, soft hyphens and the entities of accented vowels. */
export const LETTER = "(?:[\\p{L}\\p{Mn}\\p{Mc}\\u00ad]|&[aeiouAEIOU](?:acute|grave|uml);)";
export const SPACE = "[ \\t\\u00a0\\u2000-\\u200a\\u3000]";
/** A sign that may be an apostrophe, and those that are read as one inside a word. */
export const APOSTROPHE = "(?:['\\u0092\\u2019]|&apos;)";
export const INNER_APOSTROPHE = "(?:['\\u0091\\u0092\\u2018\\u2019\\u201b]|&apos;)";
const HYPHEN = "[-_\\u058a\\u2010\\u2011]";
const ALPHANUMERIC = "[\\p{L}\\p{Nd}]";

export const WORD = `${LETTER}+`;
/** Endings that are split off: "'s", "'re" … */
export const ENDING = `${APOSTROPHE}(?:[msdMSD]|${words("re ve ll")})`;
export const NOT = `[nN]${INNER_APOSTROPHE}[tT]`;
/** What "n't" may follow: it does not end in n. */
export const BEFORE_NOT = "[A-Za-z\\u00ad]*[A-MO-Za-mo-z]\\u00ad*";

export const NUMBER = "[-+]?(?:\\p{Nd}*(?:[.:,\\u00ad\\u066b\\u066c]\\p{Nd}+)+|\\p{Nd}+)";
export const DATE = "\\p{Nd}{1,2}[-/]\\p{Nd}{1,2}[-/]\\p{Nd}{2,4}";
/** "3/4", and "1 3/4" as one token. */
export const FRACTION = "(?:\\p{Nd}{1,4}[- \\u00a0])?\\p{Nd}{1,4}(?:\\\\?/|\\u2044)\\p{Nd}{1,4}";
export const PHONE = "(?:\\([0-9]{3}\\)[ \\u00a0]?|[0-9]{3}[- \\u00a0.])[0-9]{3}[- \\u00a0.][0-9]{4}";

/** Words with digits, hyphens or "d'", "l'", "o'": "3rd", "black-and-white", "o'clock", "snake_case". */
const PART = `(?:[dDoOlL]${INNER_APOSTROPHE}${ALPHANUMERIC})?${ALPHANUMERIC}+`;
export const COMPOUND = `${PART}(?:${HYPHEN}${PART})*`;
/** "and/or", "black/white". */
const SLASH_PART = "[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}";
export const SLASHED = `${SLASH_PART}(?:\\\\?/${SLASH_PART}){1,2}`;
/** "AT&T", in capitals only. */
export const AMPERSANDED = "[A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+";

const REGIONS = `(?:${words("Canada Sino Korean EU Japan non")}-U\\.S|U\\.S\\.-(?:U\\.K|U\\.S\\.S\\.R))`;
/** Letters with periods between them: "u.s", "a.m". */
export const ACRONYM = `(?:[A-Za-z](?:\\.[A-Za-z])+|${REGIONS})`;
/** "3.5-inch", "U.S.-based". */
export const HYPHENATED = `[A-Za-z0-9][A-Za-z0-9.,\\u00ad]*(?:-(?:${ACRONYM}\\.|[A-Za-z0-9\\u00ad]+))+`;

/** Words that keep the period after them. A single letter does, too. The longer alternatives come first. */
export const ABBREVIATION = `(?:${ACRONYM}|[A-Za-z]|${words(`
  Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thurs Fri
  Ala Ariz [A]rk Calif Colo Conn Dak Fla Ga [I]ll Ind Kans? Ky [M]ass Md Mich Minn [M]iss Mo Mont Neb Nev Okla [O]re Penn Tenn
  Va Vt [W]ash Wisc? Wyo
  Inc Cos? Corp Pp?tys? Ltd Plc Bancorp Bhd Assn Univ Intl Sys Dept Invt Elec Natl M[ft]g
  tel est ext sq etc al seq Jr Sr Bros Ed\\.D Ph\\.D Blvd Rd Esq
  Mr Mrs Ms Drs? Profs? Sens? Reps? Attys? Lt Col Gen Messrs Govs? Adm Rev Maj Sgt Cpl Pvt Mt Capt Ste? Ave Pres Lieut Hon Brig
  Co?mdr Pfc Spc Supts? Det vs Alex Wm Jos Cie cf TREAS Ph
`)})`;

/** Words with an apostrophe at an end or inside that stay whole; of the alternatives the longer come first. */
export const APOSTROPHE_WORD = `(?:${[
  `\\p{L}+[aeiouyAEIOUY]${INNER_APOSTROPHE}[aeiouA-Z]\\p{L}*`,
  `[A-HJ-XZn]${INNER_APOSTROPHE}\\p{L}{2,}`,
  `${words("Dunkin somethin ol")}${APOSTROPHE}`,
  `${APOSTROPHE}${words("em till? cause")}`,
  `${APOSTROPHE}[nN]${APOSTROPHE}?`,
  `${APOSTROPHE}[2-9]0[sS]`,
  `[lLdDjJ]${APOSTROPHE}`,
  words("cont'd\\.? nor'easter c'mon e'er s'mores ev'ry li'l nat'l"),
].join("|")})`;

const NO_SPACE = '[^ \\t\\n\\f\\r"<>|()';
const PATH = `(?:/${NO_SPACE}]+${NO_SPACE}.!?{},-])?`;
/** Addresses: each is a rule of its own, since the longest counts. */
export const ADDRESSES: readonly string[] = [
  `${words("https?")}://${NO_SPACE}]+${NO_SPACE}.!?{},-]`,
  `${words("www")}\\.(?:${NO_SPACE}.!?{},]+\\.)+[a-zA-Z]{2,4}${PATH}`,
  // ",-_" is a range, in the original, too: capitals and digits end such a name.
  `(?:${NO_SPACE}\`'.!?{},-_$]+\\.)+${words("com net org edu")}${PATH}`,
  `[a-zA-Z0-9]${NO_SPACE}\\u00a0]*@(?:${NO_SPACE}.\\u00a0]+\\.)+[a-zA-Z]{2,4}`,
];

/** Signs that are tokens by themselves. Others that no rule names are dropped. */
export const SYMBOL =
  "[+%&~^|\\\\=/\\u00a6-\\u00a9\\u00ac\\u00ae-\\u00ba\\u00d7\\u00f7\\u0387\\u05be\\u060c\\u061b\\u066a\\u0964\\u2016\\u2017\\u2020-\\u2023\\u2030-\\u2038\\u2044\\u207a-\\u207f\\u208a-\\u208e\\u2100-\\u214f\\u2190-\\u23ff\\u2600-\\u26ff\\u3012\\u30fb\\uff01-\\uff0f\\uff1a-\\uff20\\uff3b-\\uff40\\uff5b-\\uff65]";
