/** The content words of any caption with the objects that they are about, as `annotated` has them for the data set's own captions. */

import type { ClaimedWord, Claims, NounClaim } from "./claims.js";
import type { Role } from "./phrases.js";
import type { Scene } from "./scene.js";
import {
  attributeVerdict,
  countVerdict,
  groundVerdict,
  meantBy,
  nounVerdict,
  placeVerdict,
  relationVerdict,
  type Verdict,
} from "./truth.js";

/** Words of one caption that say one thing, such as both words of "fire truck". */
export interface ToldPhrase {
  readonly role: Role;
  /** Numbers of the words, ascending. */
  readonly words: readonly number[];
  /** Numbers of the scene's objects that they are about; none for words about the ground. */
  readonly objects: readonly number[];
  /** Whether what they say is so in a scene with the same entities; null where there is nothing to judge. */
  readonly holds: (scene: Scene) => Verdict | null;
}

const ATTRIBUTES = ["size", "tone", "gender"] as const;

/** All phrases of a caption about what the scene shows. Phrases about things that it does not show are left out. */
export function toldPhrases(scene: Scene, claims: Claims): ToldPhrase[] {
  const told: ToldPhrase[] = [];
  const add = (
    role: Role,
    words: readonly ClaimedWord[],
    nouns: readonly number[],
    holds: ToldPhrase["holds"],
  ) => {
    const own = words.filter((word) => word.role === role).map(({ word }) => word);
    const meant = nouns.map((noun) => meantBy(scene, claims.nouns[noun]!));
    if (own.length === 0 || meant.some((one) => one === null)) return;
    const objects = [...new Set(meant.flatMap((one) => [...one!.entity.objects]))].sort((a, b) => a - b);
    told.push({ role, words: own, objects, holds });
  };
  for (const [number, noun] of claims.nouns.entries()) addNoun(scene, noun, number, add);
  for (const claim of claims.relations)
    add("relation", claim.words, [...claim.from, ...claim.to], (other) =>
      relationVerdict(other, claims, claim),
    );
  for (const claim of claims.places)
    add("place", claim.words, [claim.noun], (other) => placeVerdict(other, claims, claim));
  for (const claim of claims.lines) add("relation", claim.words, [claim.noun], () => null);
  for (const claim of claims.grounds) add("ground", claim.words, [], (other) => groundVerdict(other, claim));
  return told.sort((a, b) => a.words[0]! - b.words[0]!);
}

function addNoun(
  scene: Scene,
  noun: NounClaim,
  number: number,
  add: (
    role: Role,
    words: readonly ClaimedWord[],
    nouns: readonly number[],
    holds: ToldPhrase["holds"],
  ) => void,
): void {
  const meant = meantBy(scene, noun);
  if (meant === null) return;
  const { words } = meant.reading;
  add("count", noun.countWords, [number], (other) => countVerdict(other, noun));
  add("thing", words, [number], (other) => nounVerdict(other, noun));
  for (const attribute of ATTRIBUTES)
    add(attribute, words, [number], (other) => attributeVerdict(other, noun, attribute));
}
