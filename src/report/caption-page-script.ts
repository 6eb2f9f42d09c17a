/**
 * The script of the page of captions, which gets its text: filters by split, text and difference, sorts by a score or its
 * difference to the first row. It may use nothing from outside of it.
 */
export function captionPageScript(): void {
  const form = document.querySelector<HTMLFormElement>("#controls")!;
  const list = document.querySelector("#pictures")!;
  const value = (id: string) =>
    document.querySelector<HTMLSelectElement | HTMLInputElement>(`#${id}`)?.value ?? "";
  const cards = [...list.querySelectorAll("article")].map((element) => ({
    element,
    place: Number(element.dataset.place),
    split: element.dataset.split,
    differs: "differs" in element.dataset,
    /** [row][metric]; null where there is none. */
    scores: JSON.parse(element.dataset.scores!) as (number | null)[][],
    text: element.textContent.toLowerCase(),
  }));
  type Card = (typeof cards)[number];

  /** The number that cards are sorted by; null stands last. */
  const key = (card: Card, sort: string): number | null => {
    const [row, metric] = [Number(value("row")), Number(value("metric"))];
    const own = card.scores[row]?.[metric] ?? null;
    const first = card.scores[0]?.[metric] ?? null;
    if (sort === "worst" || row === 0) return own;
    return own === null || first === null ? null : own - first;
  };

  const show = () => {
    const [split, sort, text] = [value("split"), value("sort"), value("text").toLowerCase()];
    const differ = document.querySelector<HTMLInputElement>("#differ")?.checked ?? false;
    let count = 0;
    for (const card of cards) {
      const shown =
        (split === "" || card.split === split) && (!differ || card.differs) && card.text.includes(text);
      card.element.hidden = !shown;
      if (shown) count++;
    }
    const sign = sort === "gain" ? -1 : 1;
    const rank = (card: Card) => {
      const number = sort === "none" ? 0 : key(card, sort);
      return number === null ? Number.MAX_VALUE : sign * number;
    };
    const sorted = [...cards].sort((a, b) => rank(a) - rank(b) || a.place - b.place);
    list.append(...sorted.map(({ element }) => element));
    document.querySelector("#count")!.textContent = `${count} of ${cards.length} pictures`;
  };

  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
}
