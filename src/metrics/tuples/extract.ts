/** What a caption claims, as tuples, by rules over tagged words. */

import { tokenizeCaption } from "../tokenize.js";
import type { WordNet } from "../wordnet.js";
import { joinPrepositions, type TaggedWord, tagWords } from "./tags.js";

/** An object, an object with an attribute, or two objects with a relation between them. Words are lemmas. */
export type Tuple = readonly [string] | readonly [string, string] | readonly [string, string, string];

/** A noun with what describes it. */
interface Phrase {
  readonly head: string;
}

/**
 * The tuples of a caption, each once: (object) for each noun, (object, attribute) for adjectives, numbers, nouns before a noun,
 * predicates and verbs without an object, (subject, relation, object) for verbs, prepositions and possession. "has" and "with"
 * are the relation "have"; a verb with its preposition is one relation ("sit on").
 *
 * The rules read from left to right and know no grammar beyond neighbouring phrases: relations over a distance, questions and
 * passives are read wrong.
 */
export function captionTuples(caption: string, wordNet: WordNet): Tuple[] {
  const reader = new Reader();
  for (const word of tagWords(joinPrepositions(tokenizeCaption(caption)), wordNet)) reader.read(word);
  return reader.finish();
}

/** Reads tagged words one by one and collects tuples. */
class Reader {
  readonly #tuples = new Map<string, Tuple>();
  /** Words before a noun that is not complete yet. */
  #modifiers: string[] = [];
  /** The last word of the current phrase, which may turn out to be a noun before another. */
  #noun: string | null = null;
  /** What the clause is about; the phrases of a coordination. */
  #subjects: Phrase[] = [];
  #last: Phrase | null = null;
  /** Whether the last phrase hangs on a preposition. */
  #oblique = false;
  /** A relation that waits for its object, and the one that "and" repeats. */
  #relation: { subjects: readonly Phrase[]; label: string } | null = null;
  #repeated: { subjects: readonly Phrase[]; label: string } | null = null;
  /** A verb that has no object yet. */
  #verb: { subjects: readonly Phrase[]; lemma: string } | null = null;
  /** Whether "is" was the last verb: adjectives describe the subject. */
  #predicate = false;
  #afterAnd = false;
  /** Whether the next phrase belongs to the one before "'s", and the clause is about it. */
  #possessed = false;

  read({ tag, lemma, word }: TaggedWord): void {
    switch (tag) {
      case "number":
      case "adjective":
        if (this.#noun !== null) this.#endPhrase();
        this.#modifiers.push(lemma);
        return;
      case "noun":
        // "wooden fire hydrant": the noun before describes the noun after.
        if (this.#noun !== null) this.#modifiers.push(this.#noun);
        this.#noun = lemma;
        return;
      case "adverb":
        return;
      case "possessive":
        this.#endPhrase();
        if (this.#last !== null) this.#relation = { subjects: [this.#last], label: "have" };
        this.#possessed = true;
        return;
      case "and":
        // "black and white bird": adjectives wait for their noun.
        if (this.#noun !== null || this.#predicate) this.#endPhrase();
        if (this.#noun === null && this.#modifiers.length > 0) return;
        this.#endVerb();
        this.#afterAnd = true;
        return;
      case "determiner":
        this.#endPhrase();
        return;
      case "preposition":
        this.#endPhrase();
        this.#readPreposition(word);
        return;
      case "have":
        this.#endPhrase();
        this.#readHave(word);
        return;
      case "be":
        this.#endPhrase();
        this.#endVerb();
        this.#predicate = true;
        return;
      case "verb":
        this.#endPhrase();
        this.#readVerb(lemma);
        return;
      case "pronoun":
        this.#endPhrase();
        this.#relation = null;
        return;
      case "relative":
        this.#endPhrase();
        if (this.#last !== null) this.#subjects = [this.#last];
        return;
    }
  }

  finish(): Tuple[] {
    this.#endPhrase();
    this.#endVerb();
    return [...this.#tuples.values()];
  }

  #add(...tuple: Tuple): void {
    this.#tuples.set(tuple.join("\t"), tuple);
  }

  /** Completes the phrase of the words read so far. Adjectives without a noun describe the subject. */
  #endPhrase(): void {
    const modifiers = this.#modifiers;
    const head = this.#noun;
    if (head === null && (modifiers.length === 0 || !(this.#predicate || this.#relation !== null))) {
      if (this.#predicate || this.#last === null) return;
      this.#modifiers = [];
      return;
    }
    this.#modifiers = [];
    this.#noun = null;
    if (head === null && this.#predicate) {
      for (const subject of this.#subjects) for (const word of modifiers) this.#add(subject.head, word);
      return;
    }
    // "the red": an adjective in the place of a noun.
    this.#addPhrase(head ?? modifiers.pop()!, modifiers);
  }

  #addPhrase(head: string, modifiers: readonly string[]): void {
    const phrase: Phrase = { head };
    this.#add(head);
    for (const word of modifiers) if (word !== head) this.#add(head, word);
    if (this.#verb !== null && this.#relation === null) {
      this.#relation = { subjects: this.#verb.subjects, label: this.#verb.lemma };
      this.#verb = null;
      this.#oblique = false;
    }
    const relation = this.#relation ?? (this.#afterAnd ? this.#repeated : null);
    if (relation !== null) {
      for (const subject of relation.subjects) this.#add(subject.head, relation.label, head);
      this.#repeated = relation;
      if (this.#possessed) this.#subjects = [phrase];
    } else if (this.#afterAnd) this.#subjects = [...this.#subjects, phrase];
    else this.#subjects = [phrase];
    this.#relation = null;
    this.#afterAnd = false;
    this.#predicate = false;
    this.#possessed = false;
    this.#last = phrase;
  }

  /** A verb that found no object says something about its subject. */
  #endVerb(): void {
    if (this.#verb !== null)
      for (const subject of this.#verb.subjects) this.#add(subject.head, this.#verb.lemma);
    this.#verb = null;
  }

  #readVerb(lemma: string): void {
    this.#endVerb();
    const nearest = this.#last !== null && !this.#oblique && !this.#predicate && !this.#afterAnd;
    const subjects = nearest && !this.#subjects.includes(this.#last!) ? [this.#last!] : this.#subjects;
    this.#verb = { subjects, lemma };
    this.#predicate = false;
    this.#afterAnd = false;
    this.#relation = null;
  }

  #readPreposition(joined: string): void {
    const word = joined.replaceAll("_", " ");
    const label = this.#relation?.label;
    if (this.#verb !== null) {
      this.#relation = { subjects: this.#verb.subjects, label: `${this.#verb.lemma} ${word}` };
      this.#verb = null;
    } else if (label !== undefined && this.#relation !== null) {
      this.#relation = { subjects: this.#relation.subjects, label: word };
    } else {
      const subjects = this.#predicate || this.#last === null ? this.#subjects : [this.#last];
      if (subjects.length === 0) return;
      this.#relation = { subjects, label: word };
    }
    this.#oblique = true;
    this.#predicate = false;
    this.#afterAnd = false;
  }

  #readHave(word: string): void {
    if (word === "with" && this.#verb !== null) {
      this.#readPreposition(word);
      return;
    }
    const subjects = word === "with" && this.#last !== null ? [this.#last] : this.#subjects;
    this.#endVerb();
    this.#predicate = false;
    this.#afterAnd = false;
    this.#oblique = word === "with";
    this.#relation = subjects.length === 0 ? null : { subjects, label: "have" };
  }
}
