/** What was used: the ledger's lines, by key, job, judge and day. */
import * as v from 'valibot'

const count = (description: string) => v.pipe(v.number(), v.description(description))

export const usage = v.object({
  id: v.string(),
  object: v.literal('usage'),
  day: v.pipe(v.string(), v.description('In UTC, as `2026-11-25`.')),
  key: v.pipe(
    v.nullable(v.string()),
    v.description("Id of the key that asked, or that made the job; null for the operator's bootstrap key."),
  ),
  job: v.pipe(v.nullable(v.string()), v.description('Id of the job that asked; null where the key did itself.')),
  judge: v.pipe(v.nullable(v.string()), v.description('Id of the judge; null for verification, which needs none.')),
  items: count('Items put before the judge, or compared with gold.'),
  cached: count('Of those, answered from what was known: they cost nothing.'),
  abstained: count('Items that the judge gave no verdict on.'),
  failed: count('Items that the judge could not be had for.'),
  prompt_tokens: count('Tokens that the judge read.'),
  completion_tokens: count('Tokens that it wrote.'),
  uncounted: count(
    'Calls whose tokens are unknown, and in neither sum nor `cost`: the provider gave counts that are none (below 0, no whole numbers, or more than a call can have).',
  ),
  cost: count('US dollars, by the prices that the judge was created with.'),
})
export type Usage = v.InferOutput<typeof usage>
