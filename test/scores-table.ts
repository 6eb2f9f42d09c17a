/** Reads the tables of scores that the commands print. */

/** The number in a cell of a Markdown table: the row that begins with `row`, the column of that title. */
export function cellOf(table: string, row: readonly string[], column: string): number {
  const [header, , ...rows] = table
    .trim()
    .split("\n")
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
  const cells = rows.find((own) => row.every((text, i) => own[i] === text));
  if (!cells) throw new Error(`there is no row ${row.join(" | ")} in\n${table}`);
  return Number.parseFloat(cells[header!.indexOf(column)]!);
}
