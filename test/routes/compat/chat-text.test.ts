import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentText, conversationItem, mediumOf, promptItem } from '../../../src/routes/compat/chat-text.ts'

test('a message’s content is its text, or the texts of its parts, one after the other', () => {
  assert.equal(contentText('plain'), 'plain')
  assert.equal(contentText(null), '')
  assert.equal(contentText(undefined), '')
  const parts = [{ type: 'text', text: 'It is ' }, { type: 'refusal' }, { type: 'output_text', text: '5.' }]
  assert.equal(contentText(parts), 'It is 5.')
})

test('what a judge of text cannot see is refused by its type, of which 40 characters are told', () => {
  for (const [type, medium] of [
    ['image_url', 'image'],
    ['input_audio', 'audio'],
    ['video_url', 'video'],
    ['input_file', 'file'],
  ] as const) {
    assert.equal(mediumOf(type), medium)
    assert.throws(() => contentText([{ type }]), {
      code: 'unprocessable',
      param: 'content',
      message: `A message has content of type "${type}", and a judge of text cannot see any ${medium}; describe it in words.`,
    })
  }
  const long = `image${'x'.repeat(36)}`
  assert.throws(() => contentText([{ type: long }]), { message: new RegExp(`type "image${'x'.repeat(35)}", and`) })
  assert.equal(contentText([{ type: 'image_url', text: 'as words' }]), 'as words')
  for (const none of ['text', 'refusal', undefined, null, 7, ['image']]) assert.equal(mediumOf(none), undefined)
})

test('a conversation ends with the answer; a prompt and a completion are one, each text or messages', () => {
  const user = { role: 'user', content: 'What is 2 + 3?' }
  const answer = { role: 'assistant', content: [{ type: 'text', text: 'It is 5.' }] }
  const item = { question: 'What is 2 + 3?', answer: 'It is 5.' }
  assert.deepEqual(conversationItem([user, answer]), item)
  assert.throws(() => conversationItem([user]), { code: 'unprocessable', param: 'messages' })
  assert.deepEqual(promptItem('What is 2 + 3?', 'It is 5.'), item)
  assert.deepEqual(promptItem([user], [answer]), item)
  assert.deepEqual(promptItem([user], [answer, { role: 'assistant', content: 'Yes.' }]), { ...item, answer: 'It is 5.\nYes.' }) // prettier-ignore
  const system = { role: 'system', content: 'Be brief.' }
  assert.equal(promptItem([system, user], 'x').question, 'system: Be brief.\n\nuser: What is 2 + 3?')
})
