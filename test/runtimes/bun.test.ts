/** A caption in Bun, through Dawn: the package works there unchanged. */
import { runShort } from "./short.js";

await runShort("bun", ["runtimes/caption.js"]);
