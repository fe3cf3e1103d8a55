"""How a page looks, in daylight and at night.

A constant and no file of its own, so that a page can be written wherever the
modules can be imported: a Bazel target, an archive.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f4f6f8; --line: #d5dbe1;
  --ink: #1c2126; --quiet: #57616c; --link: #0060a0;
  --blue: #0072b2; --orange: #a66400; --green: #00734f;
  --vermilion: #b84300; --purple: #a04a7d; --sky: #2b86bd;
  --heat: 0 114 178; --band: #f0f3f6; --warn: #fff4de; --edge: #d99000;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181c; --card: #1d2329; --line: #38414a;
    --ink: #e7eaed; --quiet: #a5afb9; --link: #6dbdf2;
    --blue: #5db3ea; --orange: #eaa62a; --green: #35c595;
    --vermilion: #ff8b55; --purple: #e294c2; --sky: #8ccdf5;
    --heat: 45 140 205; --band: #1b2026; --warn: #33280f; --edge: #c98a10;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 66rem; padding: 1.5rem 1.25rem 4rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
  overflow-wrap: break-word;
}
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0.5rem 0; }
h2 {
  font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 0.75rem;
  padding-top: 0.75rem; border-top: 1px solid var(--line);
}
h3 { font-size: 1.05rem; margin: 1.75rem 0 0.5rem; }
p { margin: 0.6rem 0; max-width: 44rem; }
a { color: var(--link); }
code, pre { font: 0.875em/1.5 ui-monospace, "SF Mono", Menlo, monospace; }
code { overflow-wrap: anywhere; }
pre {
  margin: 0; padding: 0.75rem 1rem; background: var(--card);
  border-radius: 6px; width: max-content; min-width: 100%;
}
.quiet, figcaption, caption { color: var(--quiet); font-size: 0.9rem; }
.note {
  background: var(--warn); border-left: 4px solid var(--edge);
  padding: 0.5rem 0.9rem; border-radius: 0 6px 6px 0;
}
nav ul {
  display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem;
  list-style: none; margin: 1.25rem 0 0; padding: 0; font-size: 0.95rem;
}
.cards {
  display: flex; flex-wrap: wrap; gap: 0.75rem;
  list-style: none; margin: 1rem 0; padding: 0;
}
.cards li {
  flex: 1 1 9rem; background: var(--card); border-radius: 8px;
  padding: 0.7rem 1rem;
}
.cards b { display: block; font-size: 1.6rem; line-height: 1.3; }
.cards span { color: var(--quiet); font-size: 0.9rem; }
.cards .first b { color: var(--blue); }
.scroll { overflow-x: auto; margin: 0.75rem 0; max-width: 100%; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible {
  outline: 2px solid var(--link); outline-offset: 2px;
}
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption {
  text-align: left; padding: 0 0 0.35rem;
  position: sticky; left: 0; max-width: min(44rem, calc(100vw - 2.5rem));
}
th, td {
  padding: 0.3rem 0.8rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line);
}
th { font-weight: 600; }
thead th { color: var(--quiet); font-weight: 500; font-size: 0.9rem; }
th:first-child { text-align: left; padding-left: 0; }
td.text, th.text { text-align: left; }
td.bar { min-width: 11rem; text-align: left; }
td.bar i {
  display: block; height: 0.8rem; border-radius: 2px;
  width: calc(var(--share) * 1%); background: var(--quiet);
}
td.bar i.trained { background: var(--blue); }
td.heat {
  background: rgb(var(--heat) / calc(var(--share) * 0.62%));
  text-align: center; padding: 0.3rem 0.45rem; min-width: 3rem;
  border: 1px solid var(--paper);
}
td.right { outline: 2px solid var(--blue); outline-offset: -2px; }
.matrix thead th { text-align: center; padding: 0.3rem 0.35rem; }
.matrix tbody th { border: 0; }
summary { cursor: pointer; font-weight: 600; padding: 0.35rem 0; }
figure { margin: 1rem 0; }
figcaption { margin-top: 0.35rem; max-width: 44rem; }
.picture img {
  display: block; width: 100%; height: auto; min-width: 34rem;
  background: #ffffff; border-radius: 6px;
}
.facts {
  display: grid; grid-template-columns: max-content minmax(0, 1fr);
  gap: 0.3rem 1.25rem; margin: 1.25rem 0;
}
.facts dt { color: var(--quiet); }
.facts dd {
  margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
.chart svg { display: block; width: 100%; min-width: 44rem; height: auto; }
.chart text { fill: var(--quiet); font: 13px system-ui, sans-serif; }
.chart .grid { stroke: var(--line); }
.chart .band { fill: var(--band); }
.chart .base { stroke: var(--quiet); stroke-dasharray: 5 4; }
.chart .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .curve { stroke: currentColor; }
.chart circle, .chart text.name { fill: currentColor; }
.chart .ink { color: var(--ink); }
.chart .quiet { color: var(--quiet); }
.chart .blue { color: var(--blue); }
.chart .sky { color: var(--sky); }
.chart .orange { color: var(--orange); }
.chart .green { color: var(--green); }
.chart .purple { color: var(--purple); }
.chart .vermilion { color: var(--vermilion); }
.groups {
  display: flex; flex-wrap: wrap; gap: 1rem 1.5rem;
  list-style: none; margin: 0.75rem 0; padding: 0;
}
.groups > li { max-width: 100%; }
.tiles { display: flex; flex-wrap: wrap; gap: 0.4rem; }
.tile { margin: 0; width: 6.5rem; }
.tile img {
  display: block; width: 6.5rem; height: 6.5rem; object-fit: cover;
  border: 4px solid var(--quiet); border-radius: 4px; background: #ffffff;
}
.tile img.dots { image-rendering: pixelated; }
.tile.query img { border-color: var(--ink); }
.tile.same img { border-color: var(--green); }
.tile.other img { border-color: var(--vermilion); }
.tile figcaption {
  margin: 0.15rem 0 0; font-size: 0.8rem; line-height: 1.35;
  color: var(--ink);
}
.tile figcaption span {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
  overflow: hidden; overflow-wrap: anywhere;
}
.tile.same figcaption { color: var(--green); }
.tile.other figcaption { color: var(--vermilion); }
@media (max-width: 40rem) {
  body { padding: 0.75rem 0.9rem 3rem; }
  .tile, .tile img { width: 4.75rem; }
  .tile img { height: 4.75rem; }
  td.bar { min-width: 6rem; }
}
@media print { nav { display: none; } details { break-inside: avoid; } }
"""
