import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { renderOpen } from '../../../src/gpu-worker/text/continue-message.ts'
import { TextCodec, type ChatMessage } from '../../../src/gpu-worker/text/text-codec.ts'
import { tinyTokenizer } from '../../../testing/tiny-model-folder.ts'

const { templates, rows } = JSON.parse(
  readFileSync(new URL('../../fixtures/continue-message.json', import.meta.url), 'utf8'),
) as { templates: Record<string, string>; rows: { template: string; messages: ChatMessage[]; text: string }[] }

const withTemplate = (chat_template: string | null) => {
  const { tokenizer, config } = tinyTokenizer()
  return new TextCodec({ tokenizer, config: { ...config, chat_template, bos_token: '<s>', eos_token: '</s>' } })
}

test('a message that is not over is rendered as transformers does', () => {
  for (const { template, messages, text } of rows)
    assert.equal(
      renderOpen(withTemplate(templates[template]!), messages, {}),
      text,
      JSON.stringify([template, messages]),
    )
})

test('without a template the contents end with it; a template that does not show it is refused', () => {
  const messages: ChatMessage[] = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b ' },
  ]
  assert.equal(renderOpen(withTemplate(null), messages, {}), 'a\nb ')
  assert.throws(() => renderOpen(withTemplate('{{ messages[0].content }}'), messages, {}), {
    code: 'invalid_request',
    param: 'continue_final_message',
    message: /does not show the last message/,
  })
})
