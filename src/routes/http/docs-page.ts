import type { Description } from './openapi.ts'

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #1d2430 }
h1 { margin-bottom: 0 } h2 { margin-top: 3rem; border-bottom: 1px solid #d5dae2 }
details { border: 1px solid #d5dae2; border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem }
summary { cursor: pointer } code, pre { font: 13px/1.45 ui-monospace, monospace } a { color: #0b57d0 }
pre { background: #f4f6f9; padding: .75rem; border-radius: 6px; overflow-x: auto }
.method { display: inline-block; width: 4.2rem; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  body { background: #14181f; color: #dfe4ec } pre { background: #1f252f } a { color: #8ab4f8 }
}`

/** The description as one page without scripts, for reading. */
export function docsPage({ info, tags, paths }: Description): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
  )
  const sections = tags.map(({ name, description }) => {
    const items = operations.filter((operation) => operation.tags.includes(name)).map(showOperation)
    return `<h2 id="${escape(name)}">${escape(name)}</h2><p>${escape(description)}</p>${items.join('')}`
  })
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(info.title)} API</title><style>${STYLE}</style>
<h1>${escape(info.title)} API</h1><p>${escape(info.description)} The whole description, for machines: <a href="/openapi.json">/openapi.json</a>.</p>
${sections.join('\n')}</html>`
}

type Shown = { path: string; method: string } & Description['paths'][string][string]

function showOperation({
  path,
  method,
  summary,
  description,
  parameters = [],
  requestBody,
  operationId,
}: Shown): string {
  const rows = parameters.map(
    ({ name, in: place, description = '' }) => `${name} (${place})${description && `: ${description}`}`,
  )
  const bodies = Object.entries(requestBody?.content ?? {}).map(([type, { schema, example }]) => {
    const shown = typeof example === 'string' ? example : JSON.stringify(example, null, 2)
    return `<p>Body (${escape(type)}):</p>${example === undefined ? '' : `<pre>${escape(shown)}</pre>`}
<details><summary>Schema</summary><pre>${escape(JSON.stringify(schema, null, 2))}</pre></details>`
  })
  return `<details id="${operationId}"><summary><span class="method">${method}</span> <code>${escape(path)}</code> ${escape(summary)}</summary>
<p>${escape(description ?? '').replaceAll('\n\n', '</p><p>')}</p>${rows.length ? `<pre>${escape(rows.join('\n'))}</pre>` : ''}${bodies.join('')}</details>`
}

const escape = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
