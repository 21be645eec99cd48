import { testApp } from '../../helpers/test-app.ts'

const JUDGE = { name: 'j', provider: { type: 'openai', base_url: 'https://judge.example/v1', model: 'm' } }

/** An API whose judge answers each prompt with this. */
export async function failingApp(error: Error) {
  const client = { firstTokenLogprobs: async (requests: readonly unknown[]) => requests.map(() => error) }
  const failing = await testApp({ judgeClient: () => client })
  await failing.json('/v1/judges', { json: JUDGE })
  return failing
}
