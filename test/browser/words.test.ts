/** Captions in scripts without spaces are the same tokens in Node and in Chromium. */
import { tokenizeCaption } from "../../dist/metrics/tokenize.js";
import { WordTokenizer, words } from "../../dist/text/words.js";
import { runInChromium } from "./pages.js";

const captions = [
  "一只黑色的猫坐在红色的垫子上",
  "兩個男人在海灘上踢足球，旁邊有一條狗",
  "一位戴着红帽子的老人骑自行车穿过城市街道",
  "2匹の黒い猫がT-シャツの上に座っている",
  "赤い帽子をかぶった女の子がアイスクリームを食べています",
  "コンピューターの前に座る男性",
  "แมวดำนั่งอยู่บนเสื่อสีแดง",
  "ผู้ชายสองคนเล่นฟุตบอลบนชายหาดริมน้ำ",
  "ឆ្មាខ្មៅមួយក្បាលអង្គុយនៅលើកម្រាលក្រហម",
  "ແມວດຳນັ່ງຢູ່ເທິງເສື່ອສີແດງ",
  "ကြောင်နက်လေးဖျာပေါ်မှာထိုင်နေတယ်",
  "고양이가 빨간 매트 위에 앉아 있다",
  "a black cat, чёрный кот, μαύρη γάτα, قطة سوداء",
];

const tokenizer = WordTokenizer.build(captions);
const inNode = {
  vocabulary: tokenizer.toJSON(),
  captions: captions.map((text) => {
    return { text, words: words(text), ids: tokenizer.encode(text), tokens: tokenizeCaption(text) };
  }),
};

await runInChromium(["browser/words.js"], new Map([["/words.json", JSON.stringify(inNode)]]));
