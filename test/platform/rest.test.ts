import t from "tap";
import { restUntil } from "../../dist/platform/rest.js";

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** How often the event loop goes round while `promise` is pending. */
async function turnsUntil(promise: Promise<unknown>): Promise<number> {
  let [turns, going] = [0, true];
  const count = () => {
    turns++;
    if (going) setImmediate(count);
  };
  setImmediate(count);
  await promise;
  going = false;
  return turns;
}

t.test("a wait sleeps in small pieces and serves other events between them", async (t) => {
  let served = false;
  const waiting = after(650);
  const failing = after(600).then(() => {
    throw new Error("lost");
  });
  restUntil(waiting);
  restUntil(failing);
  await after(20); // short waits are left alone
  setTimeout(() => {
    served = true;
  }, 30);
  const turns = await turnsUntil(failing.catch(() => {}));
  // 580 ms are left, in pieces of a quarter of a millisecond or more; a busy loop makes a hundred thousand turns.
  t.ok(turns > 5 && turns <= 4000, `${turns} turns`);
  t.ok(served, "a timer fired");
  await waiting;
  t.ok((await turnsUntil(after(50))) > 0, "and afterwards the loop turns freely");
});
