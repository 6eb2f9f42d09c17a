import t from "tap";
import { LineStore } from "../../../dist/evaluation/sweep/line-store.js";
import { MemoryFiles } from "../../io/memory-files.js";

t.test("lines are found again by key; damaged ones are dropped", async (t) => {
  const files = new MemoryFiles();
  const store = await LineStore.open(files, "a/captions.jsonl");
  t.equal(store.get("one"), undefined);
  await store.add({ key: "one", captions: ["a ω"] });
  await store.add({ key: "two", n: 2 });
  t.same(store.get("one"), { key: "one", captions: ["a ω"] });
  await files.append("a/captions.jsonl", '{"key": "three", "captio');
  const again = await LineStore.open(files, "a/captions.jsonl");
  t.same(again.get("two"), { key: "two", n: 2 });
  t.equal(again.get("three"), undefined);
  await again.add({ key: "three" });
  t.equal(
    await files.readText("a/captions.jsonl"),
    '{"key":"one","captions":["a ω"]}\n{"key":"two","n":2}\n{"key":"three"}\n',
    "what was cut is gone before the next line",
  );
  await files.write("a/captions.jsonl", '\0\0\0\n[]\n{}\n{"key":"four"}\n');
  t.same(
    (await LineStore.open(files, "a/captions.jsonl")).get("four"),
    { key: "four" },
    "zeros of a full disk",
  );
});
