/** The histogram of caption lengths. */

/** Bars of a histogram, at most. */
const BARS = 10;
/** Characters of the longest bar. */
const WIDEST = 30;

/** Captions by their number of tokens: `lengths[n]` have n. */
export type LengthCounts = readonly number[];

/** Lines to print: mean, median and longest, then a bar for each range of lengths. Empty if there are no captions. */
export function lengthHistogram(lengths: LengthCounts): string[] {
  const captions = sum(lengths);
  if (captions === 0) return [];
  const longest = lengths.length - 1;
  const mean = sum(lengths.map((count, length) => count * length)) / captions;
  const width = Math.max(1, Math.ceil((longest + 1) / BARS));
  const ranges: { name: string; count: number }[] = [];
  for (let from = 0; from <= longest; from += width) {
    const to = Math.min(longest, from + width - 1);
    const name = from === to ? `${from}` : `${from}–${to}`;
    ranges.push({ name, count: sum(lengths.slice(from, to + 1)) });
  }
  const most = Math.max(...ranges.map(({ count }) => count));
  const names = Math.max(...ranges.map(({ name }) => name.length));
  return [
    `tokens in a training caption: mean ${mean.toFixed(1)}, median ${median(lengths)}, longest ${longest}`,
    ...ranges.map(({ name, count }) => {
      const bar = "█".repeat(Math.round((WIDEST * count) / most));
      return `${name.padStart(names)}  ${((100 * count) / captions).toFixed(1).padStart(5)} % ${bar}`.trimEnd();
    }),
  ];
}

/** The least length that at least half of the captions do not exceed. */
function median(lengths: LengthCounts): number {
  let left = sum(lengths) / 2;
  return lengths.findIndex((count) => {
    left -= count;
    return left <= 0;
  });
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
