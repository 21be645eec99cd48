/** OpenAI's graders: run one on a sample, or check one. */
import type * as v from 'valibot'
import { graderContext } from '../../core/graders/fill-template.ts'
import { checkGrader, formulaOf, grade, partsOf, type GraderHelp, type Grade } from '../../core/graders/grade.ts'
import { choose, promptsOf, type AskedJudge } from '../../core/judges/many-options.ts'
import {
  GRADER_ERRORS,
  runGraderAnswer,
  runGraderRequest,
  validateGraderAnswer,
  validateGraderRequest,
  type Grader,
  type GraderError,
} from '../../core/schemas/grader.ts'
import { openJudge } from '../../service/judges/ask-judge.ts'
import { withPrograms } from '../../service/with-programs.ts'
import { route, type RouteContext } from '../http/route.ts'
import { DIALECT } from './dialect.ts'

const EXAMPLE = {
  type: 'string_check',
  name: 'right',
  input: '{{sample.output_text}}',
  reference: '{{item.answer}}',
  operation: 'like',
}

export const openAiGraderRoutes = [
  route({
    ...DIALECT,
    method: 'POST',
    path: '/v1/fine_tuning/alpha/graders/run',
    operationId: 'runGrader',
    summary: "Grade a sample, as OpenAI's graders",
    description:
      'The `model` of score_model and label_model is a judge of yours: its model answers, by the probabilities of the ' +
      'first token. What keeps a grader from a score is told in `metadata.errors`; the reward is then 0 and means nothing.',
    body: runGraderRequest,
    items: ({ grader }) => Object.keys(partsOf(grader)).length,
    example: { grader: EXAMPLE, model_sample: 'It is 5.', item: { answer: '5' } },
    response: runGraderAnswer,
    async handler(context) {
      const { deps, caller, body, request, work } = context
      const { grader, model_sample, item } = body
      checkGrader(grader, deps.programs !== null)
      const started = deps.clock.now()
      const { checks } = deps
      const similarity: GraderHelp['similarity'] = checks
        ? (metric, input, reference) => checks.similarity(metric, input, reference, caller.tenant)
        : undefined
      const graded = await withPrograms(deps.programs, caller.tenant, request.signal, (programs) =>
        grade(grader, graderContext(model_sample, item), { ask: asker(context), programs, work, similarity }),
      )
      return showGrade(grader, graded, (deps.clock.now() - started) / 1000)
    },
  }),
  route({
    ...DIALECT,
    method: 'POST',
    path: '/v1/fine_tuning/alpha/graders/validate',
    operationId: 'validateGrader',
    summary: "Check a grader, as OpenAI's graders",
    body: validateGraderRequest,
    example: { grader: EXAMPLE },
    response: validateGraderAnswer,
    async handler({ deps, body: { grader } }) {
      checkGrader(grader, deps.programs !== null)
      if (grader.type === 'multi') formulaOf(grader)
      return { grader }
    },
  }),
]

/** Asks the tenant's judges. */
function asker({
  deps,
  caller,
  request,
  work,
}: Pick<RouteContext, 'deps' | 'caller' | 'request' | 'work'>): GraderHelp['ask'] {
  return async (reference, question, param) => {
    const prompts = (judge: AskedJudge) => promptsOf([question.options], judge)
    const { judge, ask, release } = await openJudge(deps, caller, reference, param, prompts, {
      signal: request.signal,
      work,
    })
    try {
      const [scores] = await choose([question], judge, ask)
      return scores!
    } finally {
      release()
    }
  }
}

function showGrade(
  grader: Grader,
  { score, failure, tokens, parts }: Grade,
  seconds: number,
): v.InferOutput<typeof runGraderAnswer> {
  const judges = Object.keys(tokens)
  const flags = Object.fromEntries(GRADER_ERRORS.map((name) => [name, failure?.flag === name])) as Record<
    GraderError,
    boolean
  >
  return {
    reward: score,
    metadata: {
      name: grader.name,
      type: grader.type,
      execution_time: seconds,
      token_usage: judges.length === 0 ? null : Object.values(tokens).reduce((sum, count) => sum + count, 0),
      sampled_model_name: judges.length === 1 ? judges[0]! : null,
      scores: grader.type === 'multi' ? parts : failure ? {} : { [grader.name]: score },
      errors: {
        ...flags,
        python_grader_server_error_type: null,
        python_grader_runtime_error_details: failure?.flag === 'python_grader_runtime_error' ? failure.message : null,
        model_grader_server_error_details: failure?.message ?? null,
      },
    },
    sub_rewards: parts,
    model_grader_token_usage_per_model: tokens,
  }
}
