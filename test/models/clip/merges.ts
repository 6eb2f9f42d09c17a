/** A vocabulary for the small CLIP: 600 tokens are 86 merges. */

/** Contents of a `merges.txt`. */
export function smallMerges(): string {
  const merges = new Set<string>();
  for (const word of ["photo", "depicts", "bird", "circle", "square", "triangle"])
    for (let end = 1; end < word.length; end++) merges.add(`${word.slice(0, end)} ${word[end]}`);
  const letters = [..."abcdefgh"];
  for (const left of letters) for (const right of letters) merges.add(`${left} ${right}`);
  return `#version: 0.2\n${[...merges].slice(0, 86).join("\n")}\n`;
}
