/** docs/messages.md: the list of all messages, written from the sources. */

import { KINDS, type Message } from "./collect.js";

export const DOCUMENT = "docs/messages.md";

export function documentOf(messages: readonly Message[]): string {
  const lines = [
    "# Messages",
    "",
    "Every text that a person can meet, from the sources. Values stand in braces, alternatives in brackets.",
    "`npm run messages` writes this file; a test compares it with the sources. Read a changed line here as its reader would.",
  ];
  for (const kind of KINDS) {
    lines.push("", `## ${kind[0]!.toUpperCase()}${kind.slice(1)}`);
    let file = "";
    for (const message of messages.filter((message) => message.kind === kind)) {
      if (message.file !== file) {
        file = message.file;
        lines.push("", `**${file}**`, "");
      }
      lines.push(`- ${message.text.replaceAll(/[\\`*_<>|#]/g, "\\$&")}`);
    }
  }
  return `${lines.join("\n")}\n`;
}
