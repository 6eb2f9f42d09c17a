/** The training worker: keeps the page responsive. */

import { heartbeat, type News, type Order } from "./messages.js";
import { TrainingSession } from "./session.js";

const session = new TrainingSession((news: News) => postMessage(news));
addEventListener("message", (event: MessageEvent<Order>) => void session.obey(event.data));
setInterval(() => postMessage({ type: "alive" } satisfies News), heartbeat);
