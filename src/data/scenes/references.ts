/** The captions of a scene: distinct sentences, and for each content word the objects that it is about. */

import { Draws } from "./draws.js";
import { fill, templatesOf } from "./grammar.js";
import type { Phrase, Role } from "./phrases.js";
import type { Scene } from "./scene.js";

/** Captions of a scene. */
export const REFERENCES = 10;
/** Bounds of a caption's length in words. */
export const FEWEST_WORDS = 5;
export const MOST_WORDS = 20;
/** Attempts after which a scene has no more captions to give. */
const MOST_ATTEMPTS = 400;

/** A content word in a caption. */
export interface AnnotatedWord {
  /** The characters of the caption that it takes: [start, end). */
  readonly start: number;
  readonly end: number;
  readonly role: Role;
  /** Numbers of the scene's objects that it is about; none for words about the ground. */
  readonly objects: readonly number[];
}

/** A caption with what its words are about. */
export interface AnnotatedCaption {
  readonly text: string;
  /** Its content words, in order. */
  readonly words: readonly AnnotatedWord[];
}

/**
 * The captions of scene (seed, index): `REFERENCES` distinct ones of `FEWEST_WORDS` to `MOST_WORDS` words. The first is the plainest one
 * that names all things with their usual names, and their relation; the others differ in wording and in what they mention. None of a scene
 * whose arrangement is "untold".
 */
export function referencesOf(scene: Scene, seed: number, index: number): AnnotatedCaption[] {
  const draws = new Draws(seed, 0x63617074, index);
  const found = new Map<string, AnnotatedCaption>();
  const add = (phrase: Phrase | null) => {
    if (phrase === null || phrase.length < FEWEST_WORDS || phrase.length > MOST_WORDS) return;
    const caption = annotated(phrase);
    found.set(caption.text, found.get(caption.text) ?? caption);
  };
  const templates = templatesOf(scene);
  if (templates.length === 0) return [];
  for (const template of templates) {
    // The first that is long enough: with few words, "a cat left of a dog" is too short to be a sentence.
    add(fill(draws, scene, template, { usual: true, attributes: 0 }));
    if (found.size > 0) break;
  }
  let order: string[] = [];
  for (let attempt = 0; found.size < REFERENCES; attempt++) {
    if (attempt === MOST_ATTEMPTS) throw new Error(`scene ${index} has only ${found.size} captions`);
    if (order.length === 0) order = draws.shuffled(templates);
    add(fill(draws, scene, order.pop()!));
  }
  return [...found.values()];
}

function annotated(phrase: Phrase): AnnotatedCaption {
  const words: AnnotatedWord[] = [];
  let text = "";
  for (const word of phrase) {
    if (text !== "") text += " ";
    const start = text.length;
    text += word.text;
    const end = text.endsWith(",") ? text.length - 1 : text.length;
    if (word.role !== null) words.push({ start, end, role: word.role, objects: word.objects });
  }
  return { text, words };
}
