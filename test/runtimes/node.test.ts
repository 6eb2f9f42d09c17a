/** The same caption in Node: what the other runtimes are compared with is what Node writes. */
import { runShort } from "./short.js";

await runShort("node", ["runtimes/caption.js"]);
