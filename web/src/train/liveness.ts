/** Notices that the training worker is dead: it has sent nothing for many of the page's own ticks. */

import { heartbeat } from "./messages.js";

/**
 * Ticks without a message after which the worker counts as dead. The page's own ticks are counted, not the time: a page that the
 * browser puts to sleep wakes with a worker that slept, too.
 */
const patience = 15;

export class Liveness {
  private silent = 0;
  private timer: ReturnType<typeof setInterval> | null = null;

  /** Begins to listen; `dead` is called once if the worker falls silent. */
  begin(dead: () => void): void {
    this.end();
    this.silent = 0;
    this.timer = setInterval(() => {
      if (++this.silent <= patience) return;
      this.end();
      dead();
    }, heartbeat);
  }

  /** Call at every message of the worker. */
  heard(): void {
    this.silent = 0;
  }

  end(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }
}
