import { DataCursor, type CursorState } from '../../core/rl/data-cursor.ts'
import type { LeasedSpec } from '../../core/schemas/job.ts'
import { verifierOf } from '../../core/verifiers/index.ts'
import type { Verifier } from '../../core/verifiers/verifier.ts'
import type { LongRows } from './long-rows.ts'
import type { PreparedRows } from './prepared-rows.ts'
import { lastTokens, promptOf, type Prompt } from './prompts.ts'
import type { NumberedRow, RunContext } from './run-context.ts'
import type { RowCodec } from '../text/row-codec.ts'
import type { AnswerLimits } from './token-limits.ts'

/** A job of reinforcement, with the limits that it goes by. */
export type PromptedSpec = Pick<LeasedSpec<'grpo' | 'ppo'>, 'data' | 'reward'> & {
  config: LeasedSpec<'grpo' | 'ppo'>['config'] & AnswerLimits
}

const ROLES = ['labelled', 'unlabelled'] as const
type Role = (typeof ROLES)[number]

/** How many prompts of each dataset. */
export type Quota = Record<Role, number>

/** The prompts of the job's datasets, each in its own shuffled order for ever. */
export class PromptStream {
  /** Prompts of a step. */
  readonly quota: Quota
  private readonly sources: Partial<Record<Role, { prompts: PreparedRows<Prompt>; cursor: DataCursor }>>

  /** @param saved the {@link state} to go on from */
  constructor(spec: PromptedSpec, context: RunContext, rows: RowCodec, long: LongRows, saved: unknown) {
    const { config, data } = spec
    const { verifier } = spec.reward
    const read = (role: Role) => {
      if (data[role] === undefined) return {}
      const prompts =
        role === 'labelled'
          ? readPrompts(spec, context, rows, long, role, verifier && verifierOf(verifier))
          : readPrompts(spec, context, rows, long, role)
      const state = (saved as Partial<Record<Role, CursorState>> | undefined)?.[role]
      return { [role]: { prompts, cursor: new DataCursor(prompts.length, `${role}/${config.seed}`, state) } }
    }
    this.sources = { ...read('labelled'), ...read('unlabelled') }
    const share = !this.sources.unlabelled ? 1 : !this.sources.labelled ? 0 : config.labelled_share
    const labelled = Math.round(config.prompts_per_step * share)
    this.quota = { labelled, unlabelled: config.prompts_per_step - labelled }
  }

  take(quota: Quota): Prompt[] {
    return ROLES.flatMap((role) => {
      const source = this.sources[role]
      return source?.cursor.take(quota[role]).map((i) => source.prompts.at(i)) ?? []
    })
  }

  /** What is still missing of a step's quota where these prompts are had. */
  missing(prompts: readonly Prompt[]): Quota {
    const had = (role: Role) => prompts.filter((prompt) => prompt.role === role).length
    return {
      labelled: this.quota.labelled - had('labelled'),
      unlabelled: this.quota.unlabelled - had('unlabelled'),
    }
  }

  state(): Partial<Record<Role, CursorState>> {
    return Object.fromEntries(Object.entries(this.sources).map(([role, { cursor }]) => [role, cursor.state()]))
  }
}

/**
 * A dataset's prompts, none longer than the job allows; what is unlabelled has no answer, whatever its rows say. With a
 * verifier, an answer that it cannot compare with is an error.
 */
export function readPrompts(
  { config }: Pick<PromptedSpec, 'config'>,
  context: RunContext,
  rows: RowCodec,
  long: LongRows,
  role: string,
  verifier?: Verifier,
): PreparedRows<Prompt> {
  const read = (row: NumberedRow) => {
    const prompt = promptOf(row, { rows, role, verifier })
    return role === 'unlabelled' ? { ...prompt, answer: undefined } : prompt
  }
  return long.fit(context.rows(role), read, {
    role,
    what: 'the prompt has',
    limit: config.max_prompt_tokens,
    field: 'max_prompt_tokens',
    beside: config.max_new_tokens,
    shorten: lastTokens(config.max_prompt_tokens, rows.codec),
  })
}
