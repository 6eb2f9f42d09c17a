import fs from "node:fs";
const j=p=>JSON.parse(fs.readFileSync(p,"utf8"));
const d=j("emojibase-data/en/data.json"); console.log(d.length, JSON.stringify(d.find(x=>x.hexcode==="1F468-200D-1F33E")).slice(0,1500)); console.log(JSON.stringify(d[0]), JSON.stringify(d.find(x=>x.label.includes("holding hands"))).slice(0,2500));
console.log(d.filter(x=>x.group===undefined).map(x=>x.label).join("|"));
for(const n of ["github","joypixels","iamcal","emojibase","cldr"]) { try{const s=j(`emojibase-data/en/shortcodes/${n}.json`); console.log(n,Object.keys(s).length, JSON.stringify(Object.entries(s).slice(0,5)), JSON.stringify(Object.entries(s).filter(([k])=>k.startsWith("1F468-1F3FB")).slice(0,5)));}catch(e){console.log(n,String(e))}}
const e=j("emojilib/dist/emoji-en-US.json"); console.log(Object.keys(e).length, JSON.stringify(Object.entries(e).slice(0,3)), JSON.stringify(Object.entries(e).filter(([k])=>k.includes("👨")).slice(0,3)));
const ds=j("emoji-datasource/emoji.json"); console.log(ds.length, JSON.stringify(ds.find(x=>x.unified==="1F468-200D-1F33E")).slice(0,900));
const om=j("openmoji/data/openmoji.json"); console.log(om.length, JSON.stringify(om.find(x=>x.hexcode==="1F468-200D-1F33E")),JSON.stringify(om.find(x=>x.hexcode==="1F468-1F3FB-200D-1F33E")));
const ca=j("cldr-annotations-full/annotations/en/annotations.json"); const a=ca.annotations.annotations; console.log(Object.keys(a).length, JSON.stringify(Object.entries(a).slice(40,45)), JSON.stringify(Object.entries(a).filter(([k])=>k.includes("👨")).slice(0,3)));
for(const v of ["noto","twemoji","fluent-emoji-flat","openmoji"]){const i=j(`@iconify-json/${v}/icons.json`),c=j(`@iconify-json/${v}/chars.json`),inf=j(`@iconify-json/${v}/info.json`); console.log(v,Object.keys(i.icons).length,Object.keys(i.aliases??{}).length,i.width,i.height,Object.keys(i),Object.keys(c).length,JSON.stringify(Object.entries(c).slice(0,4)),JSON.stringify(Object.entries(i.aliases??{}).slice(0,3)), JSON.stringify(Object.entries(i.icons)[0]).slice(0,300), JSON.stringify(inf.license), inf.version);
 console.log(Object.values(i.icons).filter(x=>x.left!==undefined||x.top!==undefined||x.width||x.height).length, Object.values(i.icons).filter(x=>x.hidden).length);
}
