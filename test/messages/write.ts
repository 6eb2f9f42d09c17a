/** `npm run messages`: writes docs/messages.md from the sources, and names what breaks the rules. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../mutations/mutation.js";
import { collectMessages } from "./collect.js";
import { DOCUMENT, documentOf } from "./document.js";
import { problemsOf } from "./rules.js";

const messages = await collectMessages();
writeFileSync(join(root, DOCUMENT), documentOf(messages));
console.log(`written: ${DOCUMENT}, ${messages.length} messages`);
for (const message of messages) {
  for (const problem of problemsOf(message)) {
    console.error(`${message.file}: ${problem}: ${message.text}`);
    process.exitCode = 1;
  }
}
