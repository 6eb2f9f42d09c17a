import t from "tap";
import { augment } from "../../dist/data/augment.js";
import { Batches, shuffled } from "../../dist/data/batches.js";
import { type Dataset, MemoryImages, readImages, selectImages, splitsOf } from "../../dist/data/dataset.js";
import { random32, randomBelow } from "../../dist/metrics/random.js";

function dataset(count: number): Dataset {
  const records = Array.from({ length: count }, (_, image) => ({
    id: `picture ${image}`,
    image,
    captions: Array.from({ length: 1 + (image % 3) }, (_, i) => `caption ${i} of ${image}`),
    keywordCaptions: [],
    split: image % 5 === 4 ? "validation" : "train",
    attributes: { tone: "none", gender: "none" as const, objectWords: [] },
  }));
  return {
    name: "toy",
    size: 1,
    images: new MemoryImages(new Uint8Array(3 * count), 1),
    records,
    splits: splitsOf(records),
  };
}

t.test("random numbers are pure and spread", async (t) => {
  t.equal(random32(1, 2, 3), random32(1, 2, 3));
  t.not(random32(1, 2, 3), random32(2, 2, 3));
  t.not(random32(1, 2, 3), random32(1, 3, 2));
  const bins = new Array<number>(8).fill(0);
  for (let i = 0; i < 8000; i++) bins[randomBelow(8, 42, 7, i)]!++;
  // Each bin has 1000 ± 30; five standard deviations.
  t.ok(
    bins.every((n) => Math.abs(n - 1000) < 150),
    `bins ${bins}`,
  );
});

t.test("shuffles are permutations that depend on seed and epoch", async (t) => {
  for (const count of [1, 3, 17, 65]) {
    t.same(
      [...shuffled(count, 5, 0)].sort((a, b) => a - b),
      [...Array(count).keys()],
      `${count}`,
    );
  }
  t.same(shuffled(65, 5, 1), shuffled(65, 5, 1));
  t.notSame(shuffled(65, 5, 1), shuffled(65, 5, 2));
  t.notSame(shuffled(65, 5, 1), shuffled(65, 6, 1));
});

t.test("an epoch shows every picture of the split once, also across batches", async (t) => {
  const toy = dataset(17);
  const batches = new Batches(toy, { split: "train", batchSize: 4, seed: 3 });
  const train = toy.splits.train!;
  t.equal(batches.count, 14);
  t.equal(batches.stepsPerEpoch, 3.5);
  const seen: number[] = [];
  for (let step = 0; step < 7; step++) seen.push(...batches.at(step).images);
  for (const epoch of [0, 1]) {
    const part = seen.slice(epoch * 14, epoch * 14 + 14);
    t.same(
      [...part].sort((a, b) => a - b),
      train,
      `epoch ${epoch}`,
    );
  }
  t.notSame(seen.slice(0, 14), seen.slice(14), "a new order each epoch");
});

t.test("a batch does not depend on the batches before it", async (t) => {
  const toy = dataset(17);
  const options = { split: "train", batchSize: 5, seed: 9 };
  const straight = new Batches(toy, options);
  const unbroken = Array.from({ length: 100 }, (_, step) => straight.at(step));
  const resumed = new Batches(toy, options);
  t.same(resumed.at(13), unbroken[13]);
  t.same(resumed.at(2), unbroken[2], "backwards too");
  for (const { images, captionNumbers, captions } of unbroken) {
    for (const [i, image] of images.entries()) {
      t.equal(captions[i], `caption ${captionNumbers[i]} of ${image}`);
    }
  }
  const drawn = new Set(unbroken.flatMap(({ captions }) => captions));
  t.ok(
    drawn.has("caption 0 of 2") && drawn.has("caption 1 of 2") && drawn.has("caption 2 of 2"),
    "all captions",
  );
  const large = new Batches(toy, { split: "validation", batchSize: 10, seed: 1 }).at(0);
  t.equal(large.images.length, 10, "a batch may hold several epochs");
});

t.test("unknown splits are named", async (t) => {
  t.throws(
    () => new Batches(dataset(5), { split: "tests", batchSize: 1, seed: 0 }),
    /no pictures in split "tests"; its splits are: train, validation/,
  );
});

t.test("pictures are read by their numbers, in any order", async (t) => {
  const images = new MemoryImages(Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8), 1);
  const toy = { ...dataset(3), images };
  t.equal(images.count, 3);
  t.same([...(await readImages(toy, [2, 0, 2]))], [6, 7, 8, 0, 1, 2, 6, 7, 8]);
  const some = { ...toy, images: selectImages(images, [2, 1]) };
  t.equal(some.images.count, 2);
  t.same([...(await readImages(some, [1, 0]))], [3, 4, 5, 6, 7, 8]);
});

t.test("augmentation", async (t) => {
  const size = 5;
  const source = Uint8Array.from({ length: size * size * 3 }, (_, i) => (i * 37) % 256);
  const none = { shift: 0, scale: 0, brightness: 0 };
  t.same(augment(source, size, { seed: 1, step: 2, index: 3 }, none), source, "nothing changes by nothing");
  const key = { seed: 1, step: 2, index: 3 };
  t.same(augment(source, size, key), augment(source, size, key), "pure");
  for (const other of [
    { ...key, seed: 2 },
    { ...key, step: 3 },
    { ...key, index: 4 },
  ]) {
    t.notSame(augment(source, size, other), augment(source, size, key), JSON.stringify(other));
  }
  const white = new Uint8Array(source.length).fill(255);
  const shifted = augment(white, size, key, { shift: 0.4, scale: 0.2, brightness: 0 });
  t.same(shifted, white, "white stays white: what comes in from outside is white");
  const grey = new Uint8Array(source.length).fill(100);
  for (let index = 0; index < 20; index++) {
    const [first] = augment(grey, size, { seed: 1, step: 1, index }, { ...none, brightness: 0.1 });
    t.ok(first! >= 90 && first! <= 110, `brightness within 10 %: ${first}`);
  }
  t.throws(() => augment(source, 4, key), /picture of side 4 has 48 bytes, not 75/);
});

t.test("flip mirrors half of the pictures, a crop enlarges a part", async (t) => {
  const size = 9;
  const none = { shift: 0, scale: 0, brightness: 0 };
  // Each pixel says where it is: red 20·x, green 20·y.
  const pixel = (i: number) => [20 * (i % size), 20 * Math.floor(i / size), 7];
  const source = Uint8Array.from({ length: size * size * 3 }, (_, i) => pixel(Math.floor(i / 3))[i % 3]!);
  const mirror = Uint8Array.from({ length: size * size * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % size, Math.floor(i / 3 / size)];
    return source[(y * size + size - 1 - x) * 3 + (i % 3)]!;
  });
  let mirrored = 0;
  for (let index = 0; index < 200; index++) {
    const flipped = augment(source, size, { seed: 4, step: 1, index }, { ...none, flip: true });
    const isMirrored = Buffer.compare(flipped, mirror) === 0;
    if (isMirrored) mirrored++;
    else t.same(flipped, source, "the picture or its mirror image");
  }
  // 100 ± 7; five standard deviations.
  t.ok(Math.abs(mirrored - 100) < 35, `${mirrored} of 200 are mirrored`);

  const places = new Set<number>();
  for (let index = 0; index < 100; index++) {
    const cropped = augment(source, size, { seed: 4, step: 1, index }, { ...none, crop: 0.5 });
    const at = (x: number, y: number, channel: number) => cropped[(y * size + x) * 3 + channel]! / 20;
    const [left, right, top, bottom] = [at(0, 0, 0), at(8, 0, 0), at(0, 0, 1), at(0, 8, 1)];
    const kept = (right - left) / (size - 1);
    t.ok(
      kept > 0.48 && kept <= 1.01 && right <= 8,
      `a share of ${kept.toFixed(2)} of the side, within the picture`,
    );
    t.ok(Math.abs(bottom - top - (right - left)) < 0.11, "a square");
    t.ok(Math.abs(at(4, 0, 0) - (left + right) / 2) < 0.11, "evenly enlarged");
    places.add(Math.round(left));
  }
  t.ok(places.size > 2, "at random places");
});
