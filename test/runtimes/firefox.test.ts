/** Every op, one training and one caption in Firefox; `npm run test:firefox` runs all that needs nothing of Node. */
import { runShort } from "./short.js";

await runShort("firefox");
