/** Comma-separated values. */

/**
 * RFC 4180: fields separated by commas, records by line ends; a field in double quotes may contain both, and a double quote
 * written twice. Records that are empty lines are left out; `line` is where a record begins.
 */
export function parseCsv(text: string): { line: number; fields: string[]; problem?: string }[] {
  const records: { line: number; fields: string[]; problem?: string }[] = [];
  let line = 1;
  let i = 0;
  while (i < text.length) {
    const record: { line: number; fields: string[]; problem?: string } = { line, fields: [] };
    let ended = false;
    while (!ended) {
      let field = "";
      if (text[i] === '"') {
        i++;
        for (;;) {
          if (i >= text.length) {
            record.problem = "a double quote is never closed";
            break;
          }
          if (text[i] === '"' && text[i + 1] === '"') {
            field += '"';
            i += 2;
          } else if (text[i] === '"') {
            i++;
            break;
          } else {
            if (text[i] === "\n") line++;
            field += text[i++];
          }
        }
        if (i < text.length && !",\r\n".includes(text[i]!))
          record.problem = "text follows a closing double quote";
      }
      while (i < text.length && text[i] !== "," && text[i] !== "\n") field += text[i++];
      if (i >= text.length || text[i] === "\n") {
        ended = true;
        field = field.replace(/\r$/, "");
        line++;
      }
      i++;
      record.fields.push(field);
    }
    if (record.fields.length > 1 || record.fields[0]!.trim() !== "") records.push(record);
  }
  return records;
}
