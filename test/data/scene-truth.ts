/**
 * Whether a caption is true of a scene, decided without the code that wrote it: from boxes, the order of drawing, names and colours.
 * Every word has to be accounted for.
 */
import type { Box } from "../../dist/data/scenes/geometry.js";
import type { Entity, Scene } from "../../dist/data/scenes/scene.js";

const COUNTS: Record<string, number> = { a: 1, an: 1, two: 2, three: 3, four: 4 };
const SKIN = "(light|medium|dark)";
const LATERAL: Record<string, string> = {
  "to the left of": "left",
  "left of": "left",
  "on the left side of": "left",
  "to the right of": "right",
  "right of": "right",
  "on the right side of": "right",
  above: "above",
  over: "above",
  below: "below",
  under: "below",
  beneath: "below",
  "in front of": "front",
  behind: "behind",
  "next to": "next",
  beside: "next",
  "close to": "next",
};
const REL = `(${Object.keys(LATERAL)
  .sort((a, b) => b.length - a.length)
  .join("|")})`;
const BE = "(?: is| are)?";
const PLACE =
  "((?:in the|at the|near the|on the) (?:middle|center|top|bottom|left|right|(?:top|upper|bottom|lower) (?:left|right))(?: side| corner)?)(?: of the picture)?";

const right = ({ x, width }: Box) => x + width;
const bottom = ({ y, height }: Box) => y + height;
const middle = ({ x, y, width, height }: Box): [number, number] => [x + width / 2, y + height / 2];

function around(boxes: readonly Box[]): Box {
  const [x, y] = [Math.min(...boxes.map((b) => b.x)), Math.min(...boxes.map((b) => b.y))];
  return { x, y, width: Math.max(...boxes.map(right)) - x, height: Math.max(...boxes.map(bottom)) - y };
}

/** What is wrong with a caption; empty if it is true. */
export function untruths(scene: Scene, caption: string): string[] {
  const problems: string[] = [];
  const boxesOf = (e: number) => scene.entities[e]!.objects.map((o) => scene.objects[o]!.box);
  const claim = (holds: boolean, what: string) => {
    if (!holds) problems.push(`${what}: not true`);
  };
  const relate = (as: number[], word: string, bs: number[]) => {
    const [a, b] = [around(as.flatMap(boxesOf)), around(bs.flatMap(boxesOf))];
    const order = (es: number[]) => es.flatMap((e) => [...scene.entities[e]!.objects]);
    const later = Math.min(...order(as)) > Math.max(...order(bs));
    const meet = a.x < right(b) && b.x < right(a) && a.y < bottom(b) && b.y < bottom(a);
    const isSideways = right(a) <= b.x || right(b) <= a.x;
    const holds: Record<string, boolean> = {
      left: right(a) <= b.x,
      right: right(b) <= a.x,
      above: bottom(a) <= b.y,
      below: bottom(b) <= a.y,
      front: meet && later,
      behind: meet && !later,
      next:
        isSideways &&
        Math.max(b.x - right(a), a.x - right(b)) <= scene.size / 10 &&
        a.y < bottom(b) &&
        b.y < bottom(a),
    };
    claim(holds[LATERAL[word]!]!, `${as} ${word} ${bs}`);
  };
  const between = (a: number, b: number, c: number) => {
    const [m, p, q] = [a, b, c].map((e) => around(boxesOf(e))) as [Box, Box, Box];
    const inside = (low: Box, high: Box) =>
      (right(low) <= m.x && right(m) <= high.x) || (bottom(low) <= m.y && bottom(m) <= high.y);
    claim(inside(p, q) || inside(q, p), `${a} between ${b} and ${c}`);
  };
  const inPlace = (e: number, place: string) => {
    const [x, y] = middle(around(boxesOf(e))).map((v) => v / scene.size) as [number, number];
    const corner = /(top|upper|bottom|lower) (left|right)/.exec(place);
    const words = corner ? [corner[1]!, corner[2]!] : [/middle|center|top|bottom|left|right/.exec(place)![0]];
    for (const word of words) {
      const holds: Record<string, boolean> = {
        top: y < 0.4,
        upper: y < 0.4,
        bottom: y > 0.6,
        lower: y > 0.6,
        left: x < 0.4,
        right: x > 0.6,
        middle: Math.max(Math.abs(x - 0.5), Math.abs(y - 0.5)) < 0.1,
        center: Math.max(Math.abs(x - 0.5), Math.abs(y - 0.5)) < 0.1,
      };
      claim(holds[word]!, `${e} ${place}`);
    }
  };
  const inLine = (boxes: readonly Box[], axis: "row" | "column") => {
    const [start, end] = axis === "row" ? [(b: Box) => b.x, right] : [(b: Box) => b.y, bottom];
    const sorted = [...boxes].sort((a, b) => start(a) - start(b));
    return sorted.every((box, i) => i === 0 || end(sorted[i - 1]!) <= start(box));
  };

  let text = ` ${caption.replaceAll(",", "")} `;
  text = withoutGround(scene, text);
  scene.entities.forEach((entity, e) => {
    text = withoutEntity(scene, entity, e, text, claim);
  });
  text = text
    .trim()
    .replace(/^(the picture shows|a picture of|a drawing of|we see|there is|there are) /, "")
    .replace(/ (is shown|are shown|can be seen)$/, "");
  const e = (match: RegExpExecArray, group: number) => Number(match[group]);
  const rules: [string, (m: RegExpExecArray) => void][] = [
    ["<0>", () => {}],
    ["<(\\d)> and <(\\d)>(?: and <\\d>)?", () => {}],
    ["<(\\d)> <(\\d)> and <(\\d)>", () => {}],
    [`<(\\d)>${BE} ${REL} <(\\d)>`, (m) => relate([e(m, 1)], m[2]!, [e(m, 3)])],
    [`<(\\d)> and <(\\d)> (?:is|are) ${REL} (?:it|them)`, (m) => relate([e(m, 2)], m[3]!, [e(m, 1)])],
    [`${REL} <(\\d)> there (?:is|are) <(\\d)>`, (m) => relate([e(m, 3)], m[1]!, [e(m, 2)])],
    [
      `${REL} <(\\d)> and <(\\d)> there (?:is|are) <(\\d)>`,
      (m) => relate([e(m, 4)], m[1]!, [e(m, 2), e(m, 3)]),
    ],
    [
      `<(\\d)>${BE} ${REL} <(\\d)> (?:and|with) <(\\d)>${BE} ${REL} them`,
      (m) => {
        relate([e(m, 1)], m[2]!, [e(m, 3)]);
        relate([e(m, 4)], m[5]!, [e(m, 1), e(m, 3)]);
      },
    ],
    [`<(\\d)>${BE} ${REL} <(\\d)> and <(\\d)>`, (m) => relate([e(m, 1)], m[2]!, [e(m, 3), e(m, 4)])],
    [`<(\\d)> and <(\\d)>${BE} ${REL} <(\\d)>`, (m) => relate([e(m, 1), e(m, 2)], m[3]!, [e(m, 4)])],
    [`<(\\d)>${BE}(?: in)? between <(\\d)> and <(\\d)>`, (m) => between(e(m, 1), e(m, 2), e(m, 3))],
    ["between <(\\d)> and <(\\d)> there (?:is|are) <(\\d)>", (m) => between(e(m, 3), e(m, 1), e(m, 2))],
    [
      "<(\\d)> (?:has|with) <(\\d)> on one side and <(\\d)> on the other",
      (m) => between(e(m, 1), e(m, 2), e(m, 3)),
    ],
    [
      `<(\\d)> ${REL} <(\\d)> with <(\\d)> on the other side`,
      (m) => {
        relate([e(m, 1)], m[2]!, [e(m, 3)]);
        between(e(m, 3), e(m, 1), e(m, 4));
      },
    ],
    [
      `<(\\d)>${BE} ${REL} <(\\d)> and <(\\d)>${BE} ${REL} it`,
      (m) => {
        relate([e(m, 1)], m[2]!, [e(m, 3)]);
        relate([e(m, 4)], m[5]!, [e(m, 3)]);
      },
    ],
    [
      "from (left to right|top to bottom) there (?:is|are) <(\\d)> <(\\d)> and <(\\d)>",
      (m) => {
        const axis = m[1] === "left to right" ? 0 : 1;
        const at = [2, 3, 4].map((group) => middle(around(boxesOf(e(m, group))))[axis]!);
        claim(at[0]! < at[1]! && at[1]! < at[2]!, m[0]);
      },
    ],
    [`<(\\d)>${BE} ${PLACE}`, (m) => inPlace(e(m, 1), m[2]!)],
    [`${PLACE} there (?:is|are) <(\\d)>`, (m) => inPlace(e(m, 2), m[1]!)],
    [
      `<(\\d)>${BE} ${PLACE} and <(\\d)>${BE} ${PLACE}`,
      (m) => {
        inPlace(e(m, 1), m[2]!);
        inPlace(e(m, 3), m[4]!);
      },
    ],
    [
      `<(\\d)>${BE} (?:in a row|side by side|next to each other)`,
      (m) => claim(inLine(boxesOf(e(m, 1)), "row"), m[0]),
    ],
    [
      `<(\\d)>${BE} (?:in a column|one above the other|on top of each other|one below the other)`,
      (m) => claim(inLine(boxesOf(e(m, 1)), "column"), m[0]),
    ],
    ["<(\\d)> (?:is|are) partly hidden behind <(\\d)>", (m) => relate([e(m, 1)], "behind", [e(m, 2)])],
    ["<(\\d)> (?:covers?|hides) part of <(\\d)>", (m) => relate([e(m, 1)], "in front of", [e(m, 2)])],
  ];
  const rule = rules
    .map(([pattern, check]) => ({ match: new RegExp(`^${pattern}$`).exec(text), check }))
    .find(({ match }) => match !== null);
  if (rule) rule.check(rule.match!);
  else problems.push(`no rule for "${text}"`);
  return problems;
}

/** The caption without what it says about the ground, where that is so. */
function withoutGround({ ground }: Scene, text: string): string {
  const alternatives: Record<string, string> = {
    purple: "(?:purple|violet)",
    "light blue": "(?:light|pale) blue",
    "light green": "(?:light|pale) green",
  };
  const [a, b] = [ground.colours[0]!, ground.colours.at(-1)!].map(({ name }) => alternatives[name] ?? name);
  const nouns = {
    plain: [`an? (?:plain )?${a} background`],
    gradient: [`an? ${a} to ${b} gradient`, `a background fading from ${a} to ${b}`],
    stripes: [
      `a background with ${a} and ${b} stripes`,
      `a striped ${a} and ${b} background`,
      `${ground.kind === "stripes" ? ground.direction : ""} ${a} and ${b} stripes`,
    ],
    dots: [
      `an? ${a} background with ${b} (?:polka )?dots`,
      `an? ${a} and ${b} polka dot background`,
      `a dotted ${a} and ${b} background`,
    ],
    checks: [
      `an? ${a} and ${b} (?:checkered background|checkerboard)`,
      `a checkered ${a} and ${b} background`,
    ],
    speckled: [`a (?:speckled|grainy) ${a} background`],
  }[ground.kind].join("|");
  const predicates = {
    plain: `(?:plain )?${a}`,
    gradient: `a gradient from ${a} to ${b}`,
    stripes: `striped in ${a} and ${b}`,
    dots: `${a} with ${b} dots`,
    checks: `checkered in ${a} and ${b}`,
    speckled: `(?:${a} and grainy|a speckled ${a})`,
  }[ground.kind];
  return text
    .replace(new RegExp(`^ (?:${nouns}) with (.*?)(?: on it)? $`), " $1 ")
    .replace(new RegExp(` and the background is ${predicates} $`), " ")
    .replace(new RegExp(` (?:on|against) (?:${nouns}) `), " ");
}

/** Puts <e> in the place of the noun phrases of an entity whose claims are checked. */
function withoutEntity(
  scene: Scene,
  { thing, drawing, objects }: Entity,
  e: number,
  text: string,
  claim: (holds: boolean, what: string) => void,
): string {
  const names = thing.names.flatMap(({ one, many }) => [one, many]).sort((a, b) => b.length - a.length);
  const pattern = new RegExp(
    ` (an?|two|three|four|a pair of|a couple of|a group of (?:three|four)) ` +
      `((?:(?:small|little|tiny|large|big|${SKIN} skinned|male|female|woman) )*)(${names.join("|")})(?: with (?:a )?${SKIN} skin(?: tone)?)?(?= )`,
    "g",
  );
  return text.replace(pattern, (all, count: string, adjectives: string, skinned, name: string, skin) => {
    const stated = COUNTS[count.replace("a group of ", "")] ?? 2;
    claim(stated === objects.length, `${all}: ${objects.length} of them`);
    const plural = thing.names.some(({ many }) => many === name);
    claim(stated === 1 ? thing.names.some(({ one }) => one === name) : plural, `${all}: number of the noun`);
    const first = `${adjectives}${name}`.trim();
    if (stated === 1)
      claim((count === "an") === /^([aio]|e(?!uro)|u(?!ni|fo)|hourg)/.test(first), `${all}: article`);
    const side = Math.max(
      ...objects.map((o) => Math.max(scene.objects[o]!.box.width, scene.objects[o]!.box.height)),
    );
    if (/small|little|tiny/.test(adjectives)) claim(side < scene.size * 0.27, `${all}: ${side} pixels`);
    if (/large|big/.test(adjectives)) claim(side > scene.size * 0.45, `${all}: ${side} pixels`);
    for (const tone of [skinned, skin]) if (tone !== undefined) claim(drawing.tone === tone, all);
    if (/\bmale/.test(adjectives)) claim(drawing.gender === "male", all);
    if (/female|woman/.test(adjectives)) claim(drawing.gender === "female", all);
    return ` <${e}>`;
  });
}
