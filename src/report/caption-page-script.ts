/** The script of the page of captions: filters by split, text and difference, sorts by a score or its difference to the first row. */

export const captionPageScript = `
const form = document.getElementById("controls");
const list = document.getElementById("pictures");
const value = (id) => document.getElementById(id)?.value ?? "";
const cards = [...list.children].map((element) => ({
  element,
  place: Number(element.dataset.place),
  split: element.dataset.split,
  differs: "differs" in element.dataset,
  scores: JSON.parse(element.dataset.scores),
  text: element.textContent.toLowerCase(),
}));
function key(card, sort) {
  const [row, metric] = [Number(value("row")), Number(value("metric"))];
  const own = card.scores[row]?.[metric] ?? null;
  const first = card.scores[0]?.[metric] ?? null;
  if (sort === "worst" || row === 0) return own;
  return own === null || first === null ? null : own - first;
}
function show() {
  const [split, sort, text] = [value("split"), value("sort"), value("text").toLowerCase()];
  const differ = document.getElementById("differ")?.checked ?? false;
  let count = 0;
  for (const card of cards) {
    const shown = (split === "" || card.split === split) && (!differ || card.differs) && card.text.includes(text);
    card.element.hidden = !shown;
    if (shown) count++;
  }
  const sign = sort === "gain" ? -1 : 1;
  const last = Number.POSITIVE_INFINITY;
  const ranked = cards.map((card) => ({ card, key: sort === "none" ? 0 : key(card, sort) }));
  ranked.sort((a, b) => (a.key === null ? last : sign * a.key) - (b.key === null ? last : sign * b.key) || a.card.place - b.card.place);
  list.append(...ranked.map(({ card }) => card.element));
  document.getElementById("count").textContent = count + " of " + cards.length + " pictures";
}
form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
show();
`;
