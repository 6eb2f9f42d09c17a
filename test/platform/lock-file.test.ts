/** The lock file: whatever npm ci installs is compared with its hash. */
import { readFileSync } from "node:fs";
import t from "tap";

t.test("every package has an integrity hash", async (t) => {
  const { packages } = JSON.parse(
    readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8"),
  ) as {
    packages: Record<string, { integrity?: string; link?: boolean }>;
  };
  const lacking = Object.entries(packages).filter(
    ([name, { integrity, link }]) => name !== "" && !link && !/^sha512-/.test(integrity ?? ""),
  );
  t.ok(Object.keys(packages).length > 100);
  t.same(
    lacking.map(([name]) => name),
    [],
  );
});
