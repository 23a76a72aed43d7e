import { failureKinds } from '../errors.ts';
import type { RegisteredMethod } from '../rpc/method.ts';
import { callForm, exampleText, methodsByArea } from '../rpc/reference.ts';

/** By this title network scanners know release 2.2 of the agent. */
const TITLE = 'Python: OVSAgentServer Document';

/** The methods and their parameters for people with a browser (guide, chapter 2: the agent's own page). */
export function methodPage(methods: readonly RegisteredMethod[], version: string): string {
  const areas = methodsByArea(methods);
  const contents = areas.map(
    ([area, members]) =>
      `<div><h2>${escaped(area)}</h2><ul>${members.map(({ name }) => `<li><a href="#${escaped(name)}">${escaped(name)}</a></li>`).join('')}</ul></div>`,
  );
  const sections = areas.flatMap(([area, members]) => members.map(method => methodSection(method, area)));
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${TITLE}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>OVSAgentServer</h1>
<p>ovs-agent ${escaped(version)} · ${methods.length} methods · XML-RPC over POST to <code>/</code> or <code>/RPC2</code></p>
<label>Search <input type="search" id="search" autofocus placeholder="name, argument or word" aria-controls="methods"></label>
<p id="count" role="status"></p>
</header>
<div class="columns">
<nav aria-label="Methods">${contents.join('')}</nav>
<main id="methods">${sections.join('')}</main>
</div>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function methodSection(method: RegisteredMethod, area: string): string {
  const rows = method.parameterNames.map(name => {
    const { wireType, summary, example, isOptional } = method.params[name]!;
    const optional = isOptional ? ' <small>optional</small>' : '';
    return `<tr><td><code>${escaped(name)}</code>${optional}</td><td>${wireType}</td><td>${prose(summary)}</td><td><code>${escaped(exampleText(example))}</code></td></tr>`;
  });
  const parameters =
    rows.length === 0
      ? '<p>No arguments.</p>'
      : `<table><thead><tr><th>Argument</th><th>Type</th><th>Meaning</th><th>Example</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
  const failures = method.errors.map(code => `<li><code>${code}</code> ${escaped(failureKinds[code].meaning)}</li>`);
  const host =
    method.onHost === undefined ? '' : `<p>On the server that receives it: <code>${escaped(method.onHost)}</code></p>`;
  return `<section id="${escaped(method.name)}" data-words="${escaped([method.onHost ?? '', area].join(' '))}">
<h3><code>${escaped(callForm(method))}</code></h3>
<p>${prose(method.summary)}</p>
${parameters}
<p><b>Returns</b> ${prose(method.returns.summary)}.</p>
${failures.length > 0 ? `<details><summary>Failures</summary><ul>${failures.join('')}</ul></details>` : ''}
<p class="access">${escaped(area)} · access: ${method.access}</p>
${host}
</section>`;
}

/** Text whose \`marked\` parts are code. */
function prose(text: string): string {
  return escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --accent: #b5341c; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
header { padding: 1.5rem 2rem 1rem; border-bottom: 1px solid var(--line); }
h1 { margin: 0; font-size: 1.6rem; }
header p { margin: .25rem 0 .75rem; opacity: .8; }
#count { min-height: 1.5em; margin: .25rem 0 0; }
input { font: inherit; padding: .35rem .6rem; width: min(26rem, 100%); border: 1px solid var(--line); border-radius: .3rem; }
.columns { display: grid; grid-template-columns: minmax(12rem, 17rem) minmax(0, 1fr); }
nav { padding: 1rem 1rem 2rem 2rem; border-right: 1px solid var(--line); position: sticky; top: 0; max-height: 100vh; overflow: auto; align-self: start; }
nav h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .05em; margin: 1rem 0 .25rem; opacity: .7; }
nav ul { list-style: none; margin: 0; padding: 0; font-size: .9rem; }
nav a { color: inherit; text-decoration: none; }
nav a:hover, nav a:focus { color: var(--accent); text-decoration: underline; }
main { padding: 0 2rem 40vh; max-width: 62rem; }
section { padding: 1.25rem 0; border-bottom: 1px solid var(--line); scroll-margin-top: 1rem; }
section:target h3 { color: var(--accent); }
h3 { margin: 0; font-size: 1.1rem; overflow-wrap: anywhere; }
section p { margin: .5rem 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; font-size: .93em; }
.access { font-size: .85rem; opacity: .75; }
[hidden] { display: none; }
@media (max-width: 48rem) { .columns { grid-template-columns: 1fr; } nav { display: none; } main, header { padding-left: 1rem; padding-right: 1rem; } }
`;

/** Hides what does not hold every word that was typed. */
const SCRIPT = `
const search = document.getElementById('search');
const count = document.getElementById('count');
const sections = [...document.querySelectorAll('main section')].map(element => ({
  element,
  link: document.querySelector('nav a[href="#' + element.id + '"]')?.parentElement,
  text: (element.textContent + ' ' + element.dataset.words).toLowerCase(),
}));
function show() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const { element, link, text } of sections) {
    const hidden = !words.every(word => text.includes(word));
    element.hidden = hidden;
    if (link) link.hidden = hidden;
    if (!hidden) shown++;
  }
  for (const area of document.querySelectorAll('nav > div')) area.hidden = !area.querySelector('li:not([hidden])');
  count.textContent = words.length === 0 ? '' : shown + ' of ' + sections.length + ' methods';
}
search.addEventListener('input', show);
show();
`;
