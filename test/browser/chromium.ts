/** One browser for the tests of a file, opened on first use and closed at the end. */
import tap from "tap";
import { launch, type TestBrowser } from "./launch.js";

tap.setTimeout(1_100_000);

let launched: Promise<TestBrowser> | null = null;

export function sharedBrowser(): Promise<TestBrowser> {
  launched ??= launch();
  return launched;
}

tap.teardown(async () => {
  await (await launched?.catch(() => null))?.close();
});
