/** Performs a phase in a worker of the page. It is told the order by a message, and tells its news by messages. */

import { readDataset } from "../../dist/data/prepared.js";
import { browserPlatform } from "../../dist/platform/browser.js";
import { openDevice } from "../../dist/platform/device.js";
import { promptWaits } from "../../dist/platform/prompt-waits.js";
import { perform } from "./perform.js";
import type { Host, News, Order } from "./phase.js";

/** The folder of this bundle, which `web/build.js` fills; the training pictures are beside it. */
const folder = new URL("..", location.href);
const text = async (file: string) => browserPlatform.files.readText(new URL(file, folder).href);
const say = (news: News) => postMessage(news);
const host: Host = {
  platform: browserPlatform,
  async open() {
    const device = await openDevice();
    return { device, rest: await promptWaits(device) };
  },
  text,
  dataset: () => readDataset(browserPlatform, new URL("../data/emoji-32", folder).href),
  modules: async () => JSON.parse(await text("modules.json")) as string[],
  load: (module) => import(new URL(module, folder).href),
  say,
};

addEventListener("message", async ({ data }: MessageEvent<Order>) => {
  say({ type: "outcome", outcome: await perform(data, host) });
});
