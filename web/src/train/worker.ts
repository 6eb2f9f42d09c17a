/** The training worker: keeps the page responsive. */

import type { News, Order } from "./messages.js";
import { TrainingSession } from "./session.js";

const session = new TrainingSession((news: News) => postMessage(news));
addEventListener("message", (event: MessageEvent<Order>) => void session.obey(event.data));
