/** Pictures that are made to take much memory or time end as a sentence; pictures decoded beside them come out. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import t from "tap";
import { UserError } from "../../dist/platform/errors.js";
import { PictureDecoder } from "../../dist/platform/picture-decoder.js";

const svg = (body: string): Uint8Array =>
  new TextEncoder().encode(
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 64 64">${body}</svg>`,
  );
const disc = svg('<circle cx="32" cy="32" r="30"/>');

/** A path that crosses itself 100,000 times. */
const tangle = svg(
  `<path stroke="#000" d="M0 0${Array.from({ length: 100_000 }, (_, i) => `L${(i * 7) % 64} ${(i * 13) % 61}`).join("")}"/>`,
);

/** 16.4 megapixels of 8 bytes in a small file, all of which have to be held: an interlaced PNG. */
const large = await sharp({ create: { width: 4100, height: 4000, channels: 4, background: "#7777" } })
  .toColourspace("rgb16")
  .png({ progressive: true })
  .toBuffer();

async function problem(decoder: PictureDecoder, bytes: Uint8Array): Promise<string> {
  return decoder.decode(bytes, { size: 64, fit: "contain", svg: "bounded" }).then(
    () => "nothing was thrown",
    (error: unknown) => (error instanceof UserError ? error.message : `not ours: ${error}`),
  );
}

t.test("too much time", async (t) => {
  const decoder = new PictureDecoder({ memory: 2 ** 30, seconds: 1 });
  t.match(await problem(decoder, tangle), /^the SVG image .*takes more than 1 s of computing\)$/);
  const image = await decoder.decode(disc, { size: 64, fit: "contain", svg: "bounded" });
  t.same(
    [...image.data.subarray(3 * (32 * 64 + 32), 3 * (32 * 64 + 33))],
    [0, 0, 0],
    "and the next is drawn",
  );
});

t.test("too much memory", async (t) => {
  const tight = new PictureDecoder({ memory: 150 * 2 ** 20, seconds: 30 });
  t.match(await problem(tight, large), /^the PNG image .*takes more than 150 MiB of memory\)$/);
  t.equal(
    await problem(new PictureDecoder(), large),
    "nothing was thrown",
    "with the usual bounds it is read",
  );
});

t.test("only the picture to blame fails", async (t) => {
  const decoder = new PictureDecoder({ memory: 2 ** 30, seconds: 1 });
  let blamed = false;
  const blame = problem(decoder, tangle).finally(() => {
    blamed = true;
  });
  // Others run beside it all the time, so that some are there when its process is ended.
  const others = [1, 2, 3].map(async () => {
    const answers = new Set<string>();
    while (!blamed) answers.add(await problem(decoder, disc));
    return [...answers];
  });
  t.match(await blame, /1 s/);
  t.same(await Promise.all(others), Array(3).fill(["nothing was thrown"]));
});

t.test("thousands of passes over a few pixels are not done in this process", async (t) => {
  const jpeg = await sharp({ create: { width: 2000, height: 2000, channels: 3, background: "#777" } })
    .jpeg({ progressive: true })
    .toBuffer();
  const scan = jpeg.subarray(jpeg.lastIndexOf(Buffer.of(0xff, 0xda)), jpeg.length - 2);
  const bomb = Buffer.concat([jpeg.subarray(0, -2), ...Array(2000).fill(scan), jpeg.subarray(-2)]);
  let opened = false;
  class Watched extends PictureDecoder {
    protected override open(): ReturnType<PictureDecoder["open"]> {
      opened = true;
      return super.open();
    }
  }
  const decoder = new Watched();
  t.equal(await problem(decoder, jpeg), "nothing was thrown");
  t.notOk(opened, "an ordinary one is");
  t.match(await problem(decoder, bomb), /^the JPEG image is damaged/);
  t.ok(opened);
});

t.test(
  "a command ends although the process waits for more pictures, and the process ends with it",
  async (t) => {
    const script = `
    const { PictureDecoder } = await import(${JSON.stringify(new URL("../../dist/platform/picture-decoder.js", import.meta.url).href)});
    const svg = new TextEncoder().encode("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'/>");
    await new PictureDecoder().decode(svg, { size: 8, fit: "contain", svg: "bounded" });
    const { readdirSync, readFileSync } = await import("node:fs");
    for (const pid of readdirSync("/proc").filter(Number)) {
      try {
        if (readFileSync("/proc/" + pid + "/status", "utf8").includes("PPid:\\t" + process.pid + "\\n")) console.log(pid);
      } catch {}
    }
  `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    t.equal(code, 0);
    const [pid] = output.trim().split("\n").map(Number);
    if (process.platform !== "linux") return;
    t.ok(pid, "there was a process");
    const lives = () => {
      try {
        return process.kill(pid!, 0);
      } catch {
        return false;
      }
    };
    while (lives()) await new Promise((resolve) => setTimeout(resolve, 20));
    t.notOk(lives(), "and it is gone");
  },
);
