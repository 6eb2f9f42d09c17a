/** The look of all pages: light or dark as the reader has it, narrow or wide. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1c1e21; --pale: #5d646d; --paper: #ffffff; --card: #f4f5f7; --line: #dcdfe4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --pale: #a0a8b3; --paper: #14171a; --card: #1d2126; --line: #343a42; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 0.5rem; }
p { color: var(--pale); margin: 0 0 0.75rem; max-width: 45rem; }
dl { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0 0 1rem; }
dl div { background: var(--card); border-radius: 0.4rem; padding: 0.35rem 0.7rem; }
dt { color: var(--pale); font-size: 0.8rem; }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
.charts figure { background: var(--card); border-radius: 0.5rem; padding: 0.5rem; }
.charts svg { display: block; width: 100%; height: auto; }
.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1rem 0.75rem; }
.sample img { display: block; width: 100%; max-width: 10rem; height: auto; border-radius: 0.4rem; background: #fff; }
figcaption { margin-top: 0.35rem; font-size: 0.9rem; line-height: 1.35; overflow-wrap: anywhere; }
figcaption span { display: block; color: var(--pale); }
figcaption span + span { margin-top: 0.2rem; }
.sheet { display: block; width: min(100%, 50rem); height: auto; border: 1px solid var(--line); border-radius: 0.4rem; }
details { border-top: 1px solid var(--line); padding: 0.4rem 0; }
summary { cursor: pointer; font-weight: 600; }
table { border-collapse: collapse; margin: 0.4rem 0; }
th, td { text-align: left; font-weight: 400; padding: 0.1rem 1.5rem 0.1rem 0; overflow-wrap: anywhere; }
th { color: var(--pale); }
.wide { overflow-x: auto; }
.wide thead th { color: var(--pale); border-bottom: 1px solid var(--line); white-space: nowrap; font-size: 0.85rem; }
.wide td { font-variant-numeric: tabular-nums; }
section > .wide :is(th, td) { white-space: nowrap; font-size: 0.9rem; }
`;
