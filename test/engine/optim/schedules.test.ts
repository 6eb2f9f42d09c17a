import {
  constantRate,
  cosineRate,
  linearRate,
  type Schedule,
  stepRate,
  warmUp,
} from "../../../dist/engine/optim/schedules.js";
import { test } from "../../harness.js";

const rates = (schedule: Schedule, ...steps: number[]) => steps.map(schedule);

test("schedules of the learning rate", (t) => {
  const exactly = { rel: 1e-12, abs: 1e-15 };
  t.near(rates(constantRate(0.3), 1, 7, 1000), [0.3, 0.3, 0.3], exactly, "constant");
  t.near(rates(linearRate(1, 0, 5), 1, 2, 3, 5, 6), [1, 0.75, 0.5, 0, 0], exactly, "linear");
  t.near(rates(linearRate(1, 0.5, 1), 1, 2), [0.5, 0.5], exactly, "linear over one step");
  t.near(
    rates(cosineRate(2, 1, 5), 1, 2, 3, 5, 9),
    [2, 1.5 + 0.5 * Math.SQRT1_2, 1.5, 1, 1],
    exactly,
    "cosine",
  );
  t.near(rates(stepRate(1, 0.1, 3), 1, 3, 4, 6, 7), [1, 1, 0.1, 0.1, 0.01], exactly, "by steps");
  t.near(
    rates(warmUp(4, linearRate(1, 0, 3)), 1, 2, 3, 4, 5, 6, 7),
    [0.25, 0.5, 0.75, 1, 0.5, 0, 0],
    exactly,
    "warm-up, then linear",
  );
  t.near(rates(warmUp(0, stepRate(1, 0.5, 1)), 1, 2), [1, 0.5], exactly, "no warm-up");
  t.near(rates(warmUp(1, stepRate(1, 0.5, 1)), 1, 2), [1, 0.5], exactly, "a warm-up of one step");
});
