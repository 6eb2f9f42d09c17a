/** Codes kept on disk: each batch is encoded once, whatever happens in between. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { DiskCodeStore } from "../../dist/cli/code-store.js";

const root = mkdtempSync(join(tmpdir(), "mcd-codes-"));
t.teardown(() => rmSync(root, { recursive: true }));

/** Batch i of pictures, and its codes. */
const batch = (i: number) => Uint8Array.from({ length: 12 }, (_, at) => 10 * i + at);
const idsOf = (images: Uint8Array) => Uint32Array.from(images.subarray(0, 4), (byte) => byte % 8);

t.test("a killed encoding goes on where it was", async (t) => {
  const folder = join(root, "killed");
  const encoded: number[] = [];
  const encodeAll = async (dies: number) => {
    const store = new DiskCodeStore(folder, 8);
    const all: Uint32Array[] = [];
    for (let i = 0; i < 5; i++) {
      all.push(
        await store.codes(batch(i), async () => {
          if (i === dies) throw new Error("killed");
          encoded.push(i);
          return idsOf(batch(i));
        }),
      );
    }
    return { all, counts: store.counts };
  };
  await t.rejects(encodeAll(3), { message: "killed" }, "at the fourth batch");
  const { all, counts } = await encodeAll(-1);
  t.same(encoded, [0, 1, 2, 3, 4], "each batch is encoded once");
  t.same(counts, { found: 3, encoded: 2 }, "those before it are found");
  t.same(
    all,
    [0, 1, 2, 3, 4].map((i) => idsOf(batch(i))),
    "with the same ids",
  );
  t.same(
    readdirSync(folder).filter((name) => !/^[0-9a-f]{64}$/.test(name)),
    [],
    "no half file",
  );
});

t.test("a damaged file counts as missing", async (t) => {
  const folder = join(root, "damaged");
  const ids = (of: DiskCodeStore) => of.codes(batch(1), async () => idsOf(batch(1)));
  await ids(new DiskCodeStore(folder, 8));
  const path = join(folder, readdirSync(folder)[0]!);
  const whole = readFileSync(path);
  const damages = [
    whole.subarray(0, 20),
    Buffer.alloc(0),
    Buffer.from(whole).fill(1, 0, 1),
    Buffer.concat([whole, whole]),
  ];
  for (const bytes of damages) {
    writeFileSync(path, bytes);
    const store = new DiskCodeStore(folder, 8);
    t.same(await ids(store), idsOf(batch(1)), "the right ids");
    t.equal(store.counts.encoded, 1, "encoded again");
  }
  const smaller = new DiskCodeStore(folder, 2);
  await ids(smaller);
  t.equal(smaller.counts.encoded, 1, "ids beyond the codebook count as damage");
});

t.test("ids follow from the codes before their map", async (t) => {
  const base = new DiskCodeStore(join(root, "codes"), 8);
  await base.codes(batch(2), async () => idsOf(batch(2)));
  const map = [0, 1, 0, 2, 3, 4, 5, 6];
  const mapped = new DiskCodeStore(join(root, "ids"), 7, { store: base, map });
  const ids = await mapped.codes(batch(2), async () => {
    throw new Error("it is encoded again");
  });
  t.same(
    Array.from(ids),
    Array.from(idsOf(batch(2)), (code) => map[code]),
    "without encoding",
  );
  const other = await mapped.codes(batch(3), async () => Uint32Array.of(1, 2, 3, 4));
  t.same(Array.from(other), [1, 2, 3, 4], "new pictures have their ids from the tokenizer");
});
