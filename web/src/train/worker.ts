/** The worker that trains: a page stays quick while it works. */

import type { News, Order } from "./messages.js";
import { TrainingSession } from "./session.js";

const session = new TrainingSession((news: News) => postMessage(news));
addEventListener("message", (event: MessageEvent<Order>) => void session.obey(event.data));
