/**
 * Measures the loading of a made data set of CUB's size:
 *
 *     node dist-test/support/measure-loading.js [pictures=12000] [side of the photographs=500] [data.imageSize=64]
 *
 * Prints seconds and memory of a first start (everything is decoded), of a second one, and of reading batches.
 */

import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { loadDataset } from "../../dist/cli/load-dataset.js";
import { resolveConfig } from "../../dist/config/resolve.js";
import { Batches } from "../../dist/data/batches.js";
import { ReadAhead } from "../../dist/data/read-ahead.js";
import { drawBirds } from "./birds.js";

const classes = 200;
const [first, ...rest] = process.argv.slice(2);

if (first === "--load") await load(rest[0]!, Number(rest[1]));
else {
  const [pictures = 12_000, side = 500, size = 64] = [first, ...rest].map((text) =>
    text ? Number(text) : undefined,
  );
  const folder = await mkdtemp(join(tmpdir(), "mcd-measure-"));
  try {
    await writeLarge(folder, pictures, side);
    for (const start of ["first start", "second start"]) {
      console.log(`${start}:`);
      const args = [fileURLToPath(import.meta.url), "--load", folder, String(size)];
      const env = { ...process.env, XDG_CACHE_HOME: join(folder, "cache") };
      spawnSync(process.execPath, args, { stdio: "inherit", env });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function load(folder: string, size: number): Promise<void> {
  const config = resolveConfig({
    set: ["data.source=cub", `data.folder=${folder}`, `data.imageSize=${size}`, "data.validation=0.02"],
  });
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const began = performance.now();
  const dataset = await loadDataset(config.data, true);
  const seconds = (performance.now() - began) / 1000;
  clearInterval(watch);
  const batch = 64;
  const batches = new Batches(dataset, { split: "train", batchSize: batch, seed: 1 });
  const count = 100;
  const reader = new ReadAhead(
    dataset,
    batch,
    () => count,
    (n) => batches.at(n).images,
  );
  const reading = performance.now();
  for (let n = 0; n < count; n++) await reader.at(n);
  const perSecond = (1000 * count * batch) / (performance.now() - reading);
  console.log(
    `  ${dataset.records.length} pictures loaded in ${seconds.toFixed(1)} s (${Math.round(dataset.records.length / seconds)}/s), peak ${Math.round(peak / 2 ** 20)} MiB; batches of ${batch}: ${Math.round(perSecond)} pictures/s`,
  );
  await dataset.images.close();
}

/** CUB of `count` pictures: a few drawings, each file made different by a comment in the JPEG. */
async function writeLarge(folder: string, count: number, side: number): Promise<void> {
  const birds = drawBirds(2);
  const jpegs = await Promise.all(
    birds.map(({ svg }) =>
      sharp(Buffer.from(svg), { density: (72 * side) / 60 })
        .flatten()
        .jpeg({ quality: 90 })
        .toBuffer(),
    ),
  );
  const name = (i: number) => `${String((i % classes) + 1).padStart(3, "0")}.Bird/Bird_${i}`;
  const [images, texts] = [join(folder, "CUB_200_2011"), join(folder, "cvpr2016_cub")];
  for (let i = 0; i < classes; i++) {
    await mkdir(join(images, "images", name(i).split("/")[0]!), { recursive: true });
    await mkdir(join(texts, "text_c10", name(i).split("/")[0]!), { recursive: true });
  }
  for (let i = 0; i < count; i++) {
    const [jpeg, { captions }] = [jpegs[i % jpegs.length]!, birds[i % birds.length]!];
    const comment = Buffer.from(`\xff\xfe\0\x08${String(i).padStart(6, "0")}`, "latin1");
    await writeFile(
      join(images, "images", `${name(i)}.jpg`),
      Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)]),
    );
    await writeFile(join(texts, "text_c10", `${name(i)}.txt`), `${captions.join("\n")}\n`);
  }
  const all = Array.from({ length: count }, (_, i) => i);
  await writeFile(join(images, "images.txt"), all.map((i) => `${i + 1} ${name(i)}.jpg\n`).join(""));
  const tested = Array.from({ length: classes / 4 }, (_, i) => name(classes - 1 - i).split("/")[0]);
  await writeFile(join(texts, "testclasses.txt"), `${tested.join("\n")}\n`);
}
