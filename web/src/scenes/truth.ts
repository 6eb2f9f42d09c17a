/** What the scene really shows, beside what the caption says of it. */

import {
  CaptionReader,
  type Claims,
  referencesOf,
  type Scene,
  type SceneArt,
  type ToldPhrase,
  toldPhrases,
  truthOf,
} from "../../../dist/scenes.js";
import { h } from "../dom.js";

/** A caption by its words, without its end. */
export interface Told {
  readonly claims: Claims;
  readonly phrases: readonly ToldPhrase[];
  /** What is said of how many, as sentences. */
  readonly summary: string;
}

/** Reads captions about the page's things. */
export class Judge {
  private readonly reader: CaptionReader;

  constructor({ things }: SceneArt) {
    this.reader = new CaptionReader(things);
  }

  tell(scene: Scene, words: readonly string[]): Told {
    const claims = this.reader.read(words);
    const truth = truthOf(scene, this.reader, words.join(" "));
    const parts = [
      `${truth.namedRight} of ${truth.things} ${truth.things === 1 ? "thing" : "things"} named`,
      ...(truth.named > truth.namedRight
        ? [
            `${truth.named - truth.namedRight} named that ${truth.named - truth.namedRight === 1 ? "is" : "are"} not there`,
          ]
        : []),
    ];
    const verdicts = [
      ["relation", truth.relation],
      ["number", truth.count],
      ["place", truth.place],
      ["ground", truth.ground],
      ["size", truth.size],
      ["tone", truth.tone],
      ["gender", truth.gender],
    ] as const;
    for (const [name, value] of verdicts)
      if (!Number.isNaN(value)) parts.push(`${name} ${value === 1 ? "right" : "wrong"}`);
    return { claims, phrases: toldPhrases(scene, claims), summary: `${parts.join(", ")}.` };
  }
}

/** The phrase that a word belongs to; names before attributes of the same word. */
export function phraseAt({ phrases }: Told, word: number): ToldPhrase | null {
  const own = phrases.filter(({ words }) => words.includes(word));
  return own.find(({ role }) => role === "thing") ?? own[0] ?? null;
}

/** What each phrase says and whether it is so, as a list. */
export function verdictList(scene: Scene, { phrases }: Told, words: readonly string[]): HTMLElement {
  const items = phrases.map((phrase) => {
    const verdict = phrase.holds(scene);
    const text = phrase.words.map((word) => words[word]).join(" ");
    return h(
      "li",
      { "data-verdict": verdict ?? "none" },
      `${phrase.role}: “${text}”${verdict === null ? "" : verdict === "right" ? " ✓ true" : " ✗ false"}`,
    );
  });
  return h(
    "ul",
    { class: "verdicts", "aria-label": "What the caption says, and whether it is so" },
    ...items,
  );
}

/** Captions that the grammar writes of a scene, as a list. */
export function referenceList(scene: Scene): HTMLElement {
  const none = (why: string) => h("p", { class: "quiet" }, why);
  try {
    const references = referencesOf(scene, 1, 0);
    if (references.length === 0)
      return none(
        "The grammar has no sentence for this: it tells of up to three things that nobody confuses, in places with a clear relation.",
      );
    return h(
      "ol",
      { class: "references", "aria-label": "True captions" },
      ...references.map(({ text }) => h("li", {}, text)),
    );
  } catch {
    return none("The grammar has too few sentences for this scene.");
  }
}
