/** Deliberate mistakes in the demo page. */

import type { Mutation } from "./mutation.js";

export const page: readonly Mutation[] = [
  {
    name: "page: a picture in use wipes the message of the GPU",
    file: "web/src/app.ts",
    find: "    this.picture = picture;\n    this.workChanged();",
    replace: '    this.picture = picture;\n    this.messages.over("gpu");\n    this.workChanged();',
    tests: ["browser/messages.test.ts # no WebGPU, told before the gallery comes"],
  },
  {
    name: "page: the gallery's first picture wipes the message about another picture",
    file: "web/src/picture-input.ts",
    find: "    if (!app.picture) app.usePicture(picture);",
    replace:
      '    if (!app.picture) {\n      app.messages.over("picture");\n      app.usePicture(picture);\n    }',
    tests: ["browser/messages.test.ts # a picture that cannot be decoded"],
  },
  {
    name: "page: the message about a picture outlives it",
    file: "web/src/app.ts",
    find: '      this.messages.over("picture");\n',
    replace: "",
    tests: ["browser/messages.test.ts # a picture that cannot be decoded"],
  },
  {
    name: "page: closing one message closes all",
    file: "web/src/messages.ts",
    find: 'const close = button("Close", () => this.over(source), {',
    replace:
      'const close = button("Close", () => [...this.shown.keys()].forEach((other) => this.over(other)), {',
    tests: ["browser/messages.test.ts # a picture that cannot be decoded"],
  },
  {
    name: "page: Try again does nothing",
    file: "web/src/messages.ts",
    find: "          await retry();",
    replace: "          await Promise.resolve();",
    tests: ["browser/messages.test.ts # a gallery that cannot be fetched"],
  },
  {
    name: "page: nothing is said offline",
    file: "web/src/main.ts",
    find: 'window.addEventListener("offline", tellNetwork);',
    replace: "",
    tests: ["browser/messages.test.ts # offline"],
  },
  {
    name: "page: the message that it is offline never ends",
    file: "web/src/main.ts",
    find: 'window.addEventListener("online", tellNetwork);',
    replace: "",
    tests: ["browser/messages.test.ts # offline"],
  },
  {
    name: "page: work of one tab that succeeds ends the message of another",
    file: "web/src/app.ts",
    find: "        messages.over(tab);",
    replace: "        this.workChanged();",
    tests: ["browser/messages.test.ts # work that fails"],
  },
  {
    name: "page: weights that failed are named as those in use",
    file: "web/src/app.ts",
    find: "    this.wanted = source;\n    const isWanted",
    replace: "    this.wanted = source;\n    this.source = source;\n    const isWanted",
    tests: ["browser/messages.test.ts # weights of files that are damaged"],
  },
  {
    name: "page: a GPU lost again and again is lost without a word",
    file: "web/src/app.ts",
    find: '      messages.show("gpu", often, () => this.start());',
    replace: "      void often;",
    tests: ["browser/messages.test.ts # the GPU is lost again and again"],
  },
  {
    name: "page: the caption shown lacks its first word",
    file: "web/src/tabs/caption.ts",
    find: 'last?.u === 0 ? last.text || "(no word at all)"',
    replace: 'last?.u === 0 ? last.text.replace(/^\\S+ ?/, "") || "(no word at all)"',
    tests: ["browser/page.test.ts # step by step"],
  },
  {
    name: "page: steps of the caption in reverse",
    file: "web/src/tabs/caption.ts",
    find: "          this.steps.push(step);",
    replace: "          this.steps.unshift(step);",
    tests: ["browser/page.test.ts # step by step"],
  },
  {
    name: "page: the attention shown is that of the next word",
    file: "web/src/tabs/caption.ts",
    find: "    const weights = attention.data.subarray(at * attention.columns, (at + 1) * attention.columns);",
    replace:
      "    const row = (at + 1) % step.words.length;\n    const weights = attention.data.subarray(row * attention.columns, (row + 1) * attention.columns);",
    tests: ["browser/page.test.ts # step by step"],
  },
  {
    name: "page: the words named of a cell are those that look least",
    file: "web/src/tabs/caption.ts",
    find: ".sort((a, b) => b.weight - a.weight)",
    replace: ".sort((a, b) => a.weight - b.weight)",
    tests: ["browser/page.test.ts # step by step"],
  },
  {
    name: "page: alternatives in reverse",
    file: "web/src/word-editor.ts",
    find: "...step.alternatives[position]!.filter(",
    replace: "...[...step.alternatives[position]!].reverse().filter(",
    tests: ["browser/page.test.ts # words are locked"],
  },
  {
    name: "lab: the column of CFG draws MCS",
    file: "web/src/tabs/guidance.ts",
    find: "const guidance = { method, scale,",
    replace: 'const guidance = { method: method === "cfg" ? ("mcs" as const) : method, scale,',
    tests: ["browser/page.test.ts # the guidance lab"],
  },
  {
    name: "lab: the columns of MCS draw each other",
    file: "web/src/tabs/guidance.ts",
    find: "const guidance = { method, scale,",
    replace:
      'const swapped = { none: "none", cfg: "cfg", mcs: "mcs-printed", "mcs-printed": "mcs" } as const;\n        const guidance = { method: swapped[method], scale,',
    tests: ["browser/page.test.ts # the guidance lab"],
  },
  {
    name: "lab: painted codes are not hidden",
    file: "web/src/tabs/guidance.ts",
    find: "...(isPainted && usesMarks ? { hidden: marks } : {})",
    replace: "...(isPainted && !usesMarks ? { hidden: marks } : {})",
    tests: ["browser/page.test.ts # the guidance lab"],
  },
  {
    name: "lab: words that are the same are underlined",
    file: "web/src/word-row.ts",
    find: "others !== null && others[i] !== word",
    replace: "others !== null && others[i] === word",
    tests: ["browser/page.test.ts # the guidance lab"],
  },
  {
    name: "train: the log is not shown",
    file: "web/src/tabs/train.ts",
    find: "        this.curves.add(news.entries);",
    replace: "        this.curves.add([]);",
    tests: ["browser/workers.test.ts # paused, reloaded"],
  },
  {
    name: "train: an error wipes itself",
    file: "web/src/tabs/train.ts",
    find: '    this.messages.show("training", sentence(message));',
    replace:
      '    this.messages.show("training", sentence(message));\n    setTimeout(() => this.messages.over("training"), 300);',
    tests: ["browser/workers.test.ts # no worker"],
  },
  {
    name: "train: a worker that did not start is asked again",
    file: "web/src/tabs/train.ts",
    find: "        this.worker?.terminate();\n        this.worker = null;",
    replace: "",
    tests: ["browser/workers.test.ts # no worker"],
  },
  {
    name: "train: a kept run that cannot be read is passed over",
    file: "web/src/tabs/train.ts",
    find: 'this.messages.show("storage", ',
    replace: "void String(",
    tests: ["browser/workers.test.ts # kept run"],
  },
  {
    name: "service worker: stores of former pages stay",
    file: "web/src/service-worker.ts",
    find: "names.filter((name) => name.startsWith(PREFIX) && name !== NAME).map(",
    replace: "names.filter(() => false).map(",
    tests: ["browser/offline.test.ts"],
  },
  {
    name: "service worker: the store comes before the network",
    file: "web/src/service-worker.ts",
    find: "    response = await fetch(request);",
    replace:
      "    response = (await caches.match(request, { cacheName: NAME, ignoreSearch: true })) ?? (await fetch(request));",
    tests: ["browser/offline.test.ts"],
  },
];
