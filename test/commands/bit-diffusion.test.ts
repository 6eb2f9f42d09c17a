/** The commands with `model=bit-diffusion`: trained, interrupted and resumed, captions, scores; and its weights from an address. */

import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import "../../dist/baselines.js";
import { Captioner } from "../../dist/captioner/captioner.js";
import { nodePlatform as platform } from "../../dist/platform/node.js";
import { sharedGpu } from "../device.js";
import { writePictures } from "./pictures.js";
import { runCommand } from "./run.js";
import { sizes } from "./sizes.js";

t.setTimeout(600_000);

t.test("train.js, caption.js and evaluate.js with bit-diffusion", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bits-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const [pictures, run] = [join(folder, "pictures"), join(folder, "run")];
  const [picture] = await writePictures(pictures);
  const set = [
    ...sizes,
    ...["model=bit-diffusion", "vqvae.steps=6", "decoder.steps=12", "decoder.batch=8", "data.augment=0"],
    ...[
      "log.evaluateEvery=0",
      "log.sampleEvery=0",
      "log.checkpointEvery=5",
      "sampling.steps=5",
      "log.every=1",
      "log.scored=4",
    ],
  ].flatMap((assignment) => ["--set", assignment]);
  const broken = await runCommand("train", ["--data", pictures, "--out", run, ...set], {
    interruptAt: /^decoder 5\//m,
  });
  t.equal(broken.code, 130, "interrupted");
  const trained = await runCommand("train", ["--resume", run]);
  t.equal(trained.code, 0, trained.stderr);
  const config = JSON.parse(await readFile(join(run, "weights/config.json"), "utf8"));
  t.equal(config.config.model, "bit-diffusion", "the weights name their kind");
  const file = join(pictures, picture!);
  const weights = ["--weights", join(run, "weights")];
  const said = await runCommand("caption", [file, ...weights, "--json", "--seed", "2"]);
  t.equal(said.code, 0, said.stderr);
  const { caption, tokens, steps } = JSON.parse(said.stdout);
  t.same([typeof caption, tokens.length, steps], ["string", 5, 5], "a caption");
  const scores = await runCommand("evaluate", [
    ...["--data", pictures, ...weights, "--splits", "validation", "--seeds", "1", "--draws", "50"],
    ...["--compare", "none,cfg:1.5,mcs:2", "--quiet"],
  ]);
  t.equal(scores.code, 0, scores.stderr);
  t.match(scores.stdout, /^\| validation \| 4 \| mcs:2 \|/m, "scores under guidance");

  const server = createServer((request, response) => {
    createReadStream(join(run, "weights", request.url!.split("/").at(-1)!)).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const gpu = await sharedGpu();
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/w`;
  const loaded = await Captioner.load(address, { gpu });
  const { data } = await platform.images.decode(await platform.files.read(file), 16, "contain");
  const [again] = await loaded.captionAll(data, { seed: 2 });
  t.same(again!.tokens, tokens, "loaded from an address, it says the same");
  loaded.dispose();
});
