#!/usr/bin/env node
/** `npm run web`: builds the demo page and serves it on localhost. */

import { commandLine, integerOption, runCommand } from "../dist/cli.js";
import { buildSite, siteFolder } from "./build.js";
import { serve } from "./server.js";

await runCommand(async () => {
  const program = commandLine(
    "npm run web --",
    "Builds the demo page and serves it on localhost until Ctrl-C.",
  )
    .option("--port <number>", "port of the server; 0: any free port", integerOption(0, 65535), 8080)
    .option("--build-only", "only build it, into web/dist");
  const options = /** @type {{ port: number; buildOnly?: boolean }} */ (program.parse().opts());
  await buildSite(siteFolder);
  if (options.buildOnly) {
    console.log(`built: ${siteFolder}`);
    return;
  }
  const { url } = await serve(siteFolder, options.port);
  console.log(`The page is at ${url} (Ctrl-C ends the server).`);
});
