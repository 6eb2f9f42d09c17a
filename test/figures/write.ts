/** `npm run figures`: writes the figures of docs/figures/ into the documents, and says what is left to put right. */

import { runCommand } from "../../dist/cli/options.js";
import { readDocuments, writeDocuments } from "./documents.js";
import { problemsOf } from "./figures.js";

await runCommand(async () => {
  for (const document of await writeDocuments(await readDocuments())) console.log(`written: ${document}`);
  const { files, evaluations } = await readDocuments();
  for (const { file, text } of files) {
    for (const problem of problemsOf(text, file, evaluations)) {
      console.error(`${file.document}: ${problem}`);
      process.exitCode = 1;
    }
  }
});
