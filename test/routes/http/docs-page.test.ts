import assert from 'node:assert/strict'
import { test } from 'node:test'
import { docsPage } from '../../../src/routes/http/docs-page.ts'
import type { Description } from '../../../src/routes/http/openapi.ts'

const json = (value: unknown) => JSON.stringify(value, null, 2).replaceAll('"', '&quot;')

test('the page shows each operation under its heading, with parameters, bodies and examples, and nothing as markup', () => {
  const schema = { type: 'object' }
  const page = docsPage({
    info: { title: 'A & B', description: 'Says <i>.' },
    tags: [
      { name: 'One', description: 'The "first".' },
      { name: 'Two', description: 'The second.' },
    ],
    paths: {
      '/v1/a/{id}': {
        get: {
          operationId: 'getA',
          tags: ['One'],
          summary: 'Read <a>',
          description: 'It is read.\n\nNeeds a key.',
          parameters: [
            { name: 'id', in: 'path' },
            { name: 'limit', in: 'query', description: 'Most & least.' },
          ],
        },
        post: {
          operationId: 'postA',
          tags: ['One'],
          summary: 'Write',
          requestBody: {
            content: {
              'application/json': { schema, example: { a: 1 } },
              'text/plain': { schema, example: 'a\n"b"' },
              'text/csv': { schema },
            },
          },
        },
      },
      '/v1/b': { delete: { operationId: 'deleteB', tags: ['Two'], summary: 'Remove' } },
    },
  } as unknown as Description)
  assert.ok(page.startsWith('<!doctype html><html lang="en">'))
  assert.match(page, /<title>A &amp; B API<\/title>/)
  assert.match(page, /<p>Says &lt;i&gt;\. The whole description, for machines: /)
  const body = page.slice(page.indexOf('<h2'), -'</html>'.length)
  const shown = `<details><summary>Schema</summary><pre>${json(schema)}</pre></details>`
  const operations = {
    getA:
      '<details id="getA"><summary><span class="method">GET</span> <code>/v1/a/{id}</code> Read &lt;a&gt;</summary>\n' +
      '<p>It is read.</p><p>Needs a key.</p><pre>id (path)\nlimit (query): Most &amp; least.</pre></details>',
    postA:
      '<details id="postA"><summary><span class="method">POST</span> <code>/v1/a/{id}</code> Write</summary>\n<p></p>' +
      `<p>Body (application/json):</p><pre>${json({ a: 1 })}</pre>\n${shown}` +
      `<p>Body (text/plain):</p><pre>a\n&quot;b&quot;</pre>\n${shown}` +
      `<p>Body (text/csv):</p>\n${shown}</details>`,
    deleteB:
      '<details id="deleteB"><summary><span class="method">DELETE</span> <code>/v1/b</code> Remove</summary>\n<p></p></details>',
  }
  assert.equal(
    body,
    `<h2 id="One">One</h2><p>The &quot;first&quot;.</p>${operations.getA}${operations.postA}\n` +
      `<h2 id="Two">Two</h2><p>The second.</p>${operations.deleteB}`,
  )
})
