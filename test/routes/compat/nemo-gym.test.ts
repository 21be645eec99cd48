/** NeMo-Gym, detail by detail. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { close, compatAppOfFile, YES } from './compat-app.ts'

const app = await compatAppOfFile()
const question = 'What is 2 + 3?'

describe('NeMo-Gym, detail by detail', () => {
  const verify = (responses_create_params: object, response: object, more: object = {}) =>
    app.json('/compat/nemo-gym/both/verify', { json: { responses_create_params, response, ...more } })
  const said = (content: unknown) => ({ type: 'message', role: 'assistant', content })
  const shown = () =>
    /Question:\n([^]*?)\n\n<student_answer>\n([^]*?)\n<\/student_answer>/.exec(app.lastPrompt())!.slice(1)

  test('instructions are the system’s, before what was said; without them nobody is', async () => {
    const output = [said('I think that it is 5.')]
    await verify({ input: 'And now?', instructions: 'Be brief.' }, { output })
    assert.deepEqual(shown(), ['system: Be brief.\n\nuser: And now?', 'I think that it is 5.'])
    for (const instructions of [undefined, null, '']) {
      app.calls.length = 0
      await verify({ input: `Not told ${instructions}?`, instructions }, { output })
      assert.equal(shown()[0], `Not told ${instructions}?`)
    }
  })

  test('items without a speaker are no messages; the assistant’s texts are the answer, a line each', async () => {
    const input = [{ type: 'reasoning' }, { role: 'user', content: 'First?' }, { role: 'assistant', content: 'One.' }, { role: 'user', content: 'Then?' }] // prettier-ignore
    const output = [{ type: 'reasoning', content: 'hm' }, said('I think: five,'), { type: 'function_call', role: 'assistant', content: 'call' }, { content: [{ type: 'output_text', text: 'so 5.' }] }] // prettier-ignore
    await verify({ input }, { output })
    assert.deepEqual(shown(), ['user: First?\n\nassistant: One.\n\nuser: Then?', 'I think: five,\nso 5.'])
  })

  test('only the parts that count stand beside the reward', async () => {
    const output = [said('I say that it is 5.')]
    const unlabelled = await verify({ input: question }, { output })
    assert.deepEqual(Object.keys(unlabelled.reward_components), ['judge_reward'])
    assert.ok(
      close(unlabelled.judge_reward, YES) && close(unlabelled.reward, YES) && !('verifier_reward' in unlabelled),
    )
    await app.json('/v1/recipes', { json: { name: 'verified', lambda: 1, verifier: 'math' } })
    const json = { responses_create_params: { input: question }, response: { output }, expected_answer: '5' }
    const verified = await app.json('/compat/nemo-gym/verified/verify', { json })
    assert.deepEqual([verified.reward, verified.reward_components, verified.mask_sample], [1, { verifier_reward: 1 }, false]) // prettier-ignore
    const cut = await verify({ input: question }, { output, incomplete_details: { reason: 'content_filter' } })
    assert.ok(close(cut.reward, YES), 'only a cut at the most tokens is gated')
    const whole = await verify({ input: question }, { output, incomplete_details: null })
    assert.ok(close(whole.reward, YES))
  })

  test('a sum over rows has the means of their numbers, without those that only number them', async () => {
    const rows = [
      { _ng_task_index: 3, _ng_rollout_index: 0, reward: 1, tokens: 10 },
      { _ng_task_index: 3, _ng_rollout_index: 1, reward: 0, tokens: 'many' },
      { _ng_task_index: 4, _ng_rollout_index: 0, reward: 7, mask_sample: true },
    ]
    const sum = (verify_responses: object[]) =>
      app.json('/compat/nemo-gym/both/aggregate_metrics', { json: { verify_responses } })
    assert.deepEqual(await sum(rows), {
      group_level_metrics: [
        { _ng_task_index: 3, 'mean/reward': 0.5, 'mean/tokens': 10, 'mean/mask_sample': 0 },
        { _ng_task_index: 4, 'mean/mask_sample': 1 },
      ],
      agent_metrics: { 'mean/reward': 0.5, 'mean/tokens': 10, 'mean/mask_sample': 1 / 3 },
      key_metrics: { 'mean/reward': 0.5 },
    })
    assert.deepEqual(await sum([]), { group_level_metrics: [], agent_metrics: {}, key_metrics: {} })
    const named = await sum([{ _ng_task_index: 'a', reward: 1 }])
    assert.deepEqual(named.group_level_metrics, [{ 'mean/reward': 1, 'mean/mask_sample': 0 }])
  })
})
