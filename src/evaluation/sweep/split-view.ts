/**
 * Keeps test data away from choices: a view of a data set that holds the records, captions and pictures of some splits and no
 * others. The part of a sweep that chooses settings gets such a view and nothing else.
 */

import type { Dataset } from "../../data/dataset.js";

/** The splits that a choice may see. */
export const selectionSplits = ["train", "validation"] as const;

/** A data set with the records of `splits` alone, numbered anew. Reading the picture of another record is a RangeError. */
export function splitView(dataset: Dataset, splits: readonly string[]): Dataset {
  const known = splits.filter((name) => dataset.splits[name] !== undefined);
  const numbers = [...new Set(known.flatMap((name) => dataset.splits[name]!))].sort((a, b) => a - b);
  const place = new Map(numbers.map((record, i) => [record, i]));
  const own: Record<string, readonly number[]> = Object.create(null);
  for (const name of known) own[name] = dataset.splits[name]!.map((record) => place.get(record)!);
  const records = numbers.map((record) => dataset.records[record]!);
  const pictures = new Set(records.map(({ image }) => image));
  const check = (number: number) => {
    if (!pictures.has(number)) throw new RangeError(`picture ${number} is not of ${splits.join(" or ")}`);
  };
  const { images } = dataset;
  return {
    ...{ name: dataset.name, size: dataset.size, records, splits: own },
    images: {
      count: images.count,
      read: async (wanted, target) => {
        for (const number of Array.from(wanted)) check(number);
        await images.read(wanted, target);
      },
      content(number) {
        check(number);
        return images.content(number);
      },
      ...(images.file
        ? {
            async file(number: number) {
              check(number);
              return images.file!(number);
            },
          }
        : {}),
      close: () => images.close(),
    },
  };
}
