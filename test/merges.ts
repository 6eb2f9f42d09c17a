/** Small lists of merges for tests of CLIP's tokenizer. They need nothing of Node. */

/** Merges that spell each word as one token, from left to right: "b i", "bi r", "bir d</w>". */
export function mergesFor(words: readonly string[]): string[] {
  const merges = new Set<string>();
  for (const word of words) {
    const symbols = [...word];
    symbols.push(`${symbols.pop()}</w>`);
    for (let i = 1; i < symbols.length; i++) merges.add(`${symbols.slice(0, i).join("")} ${symbols[i]}`);
  }
  return [...merges];
}
