/** What is unpacked into the cache is looked at before it is loaded: a cut library would end the process. */
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { unpackChromium } from "../../dist/platform/npm-chromium.js";

t.test("a cut, a changed and a missing file are made anew", async (t) => {
  const cache = mkdtempSync(join(tmpdir(), "unpacked-"));
  const before = process.env.XDG_CACHE_HOME;
  process.env.XDG_CACHE_HOME = cache;
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    rmSync(cache, { recursive: true });
  });
  const library = "libvk_swiftshader.so";
  const unpack = () =>
    unpackChromium("swiftshader", ["swiftshader.tar.br"], [library, "vk_swiftshader_icd.json"]);
  const folder = await unpack();
  if (folder === null) return;
  const whole = readFileSync(join(folder, library));
  const state = () => readFileSync(join(folder, library)).equals(whole);
  cpSync(folder, `${folder}-copy`, { recursive: true });

  truncateSync(join(folder, library), whole.length >> 1);
  t.equal(await unpack(), folder);
  t.ok(state(), "a cut library");

  const changed = Buffer.from(whole);
  changed[whole.length >> 1]! ^= 1;
  writeFileSync(join(folder, library), changed);
  await unpack();
  t.ok(state(), "one changed bit");

  rmSync(join(folder, "vk_swiftshader_icd.json"));
  await unpack();
  t.ok(readFileSync(join(folder, "vk_swiftshader_icd.json")).length > 0, "a missing file");

  rmSync(join(folder, "sha256.json"));
  writeFileSync(join(folder, library), "");
  await unpack();
  t.ok(state(), "a folder of an older version, which kept no hashes");

  writeFileSync(join(folder, "stays"), "");
  await unpack();
  t.equal(readFileSync(join(folder, "stays"), "utf8"), "", "a whole one is left as it is");
});
