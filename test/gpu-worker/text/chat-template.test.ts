import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ChatTemplate, type ChatMessage } from '../../../src/gpu-worker/text/chat-template.ts'

type Rendered = { text: string; error?: undefined } | { text?: undefined; error: string }
/** Made by transformers: test/python/write_templates.py. */
const fixture = JSON.parse(readFileSync(new URL('../../fixtures/chat/templates.json', import.meta.url), 'utf8')) as {
  special: Record<string, string>
  chats: Record<string, ChatMessage[]>
  styles: Record<string, { template: string; chats: Record<string, Rendered> }>
  expressions: (Rendered & { template: string })[]
}

function check(template: string, chat: string, addGenerationPrompt: boolean, expected: Rendered): void {
  const render = () => new ChatTemplate(template, fixture.special).render(fixture.chats[chat]!, { addGenerationPrompt })
  if (expected.error === undefined) assert.equal(render(), expected.text)
  else
    assert.throws(render, {
      code: 'invalid_request',
      message: /^the model's chat template (cannot be read|refuses these messages): ./,
    })
}

describe('a chat template in the style of', () => {
  for (const [name, { template, chats }] of Object.entries(fixture.styles))
    test(`${name} renders as in transformers`, () => {
      for (const [chat, expected] of Object.entries(chats))
        check(template, chat.replace(' +', ''), chat.endsWith('+'), expected)
    })
})

describe('an expression of a template', () => {
  for (const { template, ...expected } of fixture.expressions)
    test(JSON.stringify(template), () => check(template, 'long', true, expected as Rendered))
})

describe('a template that would never end is refused, with', () => {
  const LOOP = '{% for a in range(100000) %}'
  const HANGING = {
    'loops in loops': `${LOOP}${LOOP}{{ a }}{% endfor %}{% endfor %}`,
    'macros that call themselves twice':
      '{% macro f(n) %}{% if n > 0 %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}',
  }
  for (const [what, template] of Object.entries(HANGING))
    test(what, () =>
      assert.throws(() => new ChatTemplate(template, {}).render([{ role: 'user', content: 'x' }]), {
        code: 'invalid_request',
        message: /goes through more than 500000 parts, and perhaps never ends/,
      }),
    )

  test('and one that goes through a thousand messages is not', () => {
    const template = '{% for m in messages %}{% if m.role == "user" %}<{{ m.content | trim }}>{% endif %}{% endfor %}'
    const messages = Array.from({ length: 1000 }, () => ({ role: 'user' as const, content: ' x ' }))
    assert.equal(new ChatTemplate(template, {}).render(messages), '<x>'.repeat(1000))
  })
})
