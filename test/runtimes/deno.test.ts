/** Every op, one training and one caption in Deno; `npm run test:deno` runs all that needs nothing of Node. */
import { runShort } from "./short.js";

await runShort("deno");
