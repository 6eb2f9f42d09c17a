import t from "tap";
import { renderCaptionPage } from "../../dist/report/caption-page.js";
import { page } from "./caption-pages.js";

t.test("pictures with references, captions and scores of all rows, and nothing from elsewhere", async (t) => {
  const html = renderCaptionPage(page);
  t.equal(html, renderCaptionPage(page), "the same bytes every time");
  const [, one, two] = html.split("<article ") as [string, string, string];
  t.match(one, 'data-split="test" data-differs data-scores="[[1,null],[0.25,0.5]]"');
  t.match(one, /<img src="data:image\/png;base64,AQID" width="16" height="16" alt="picture one"/);
  t.match(one, "<li>a red bird</li><li>&#60;bird&#62;</li>");
  t.match(one, '<th scope="row">a &#38; b</th><td>a bird</td><td>1.00</td><td>–</td>');
  t.match(
    one,
    '<th scope="row">c</th><td>a cat <small>1/2</small><br>the cat <small>1/2</small></td><td>0.25</td><td>50 %</td>',
  );
  t.notMatch(two, "data-differs", "the same captions with other seeds do not differ");
  t.match(two, "(empty caption) <small>1/2</small>");
  t.match(html, '<tr><td>test</td><th scope="row">a &#38; b</th><td>1.00</td></tr>');
  t.match(html, /<option value="1">c − a &#38; b<\/option><option value="0">a &#38; b<\/option>/);
  t.match(html, "default-src 'none'; img-src data:");
  t.notMatch(html.replaceAll("http-equiv", ""), /https?:|url\(|@import/, "no request");
  t.notMatch(html, "<birds>");
});
