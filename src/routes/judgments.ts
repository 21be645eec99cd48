import { itemFromMessages, type JudgeItem } from '../core/judges/template.ts'
import { judgmentsAnswer, judgmentsRequest, type JudgmentItem } from '../core/schemas/judgment.ts'
import { askJudge, showJudgments } from '../service/judges/ask-judge.ts'
import { MAX_BATCH_BYTES, route } from './http/route.ts'

/** The schema has seen to it that an item holds one of the two forms. */
export const toJudgeItem = (item: JudgmentItem): JudgeItem =>
  item.messages
    ? { ...itemFromMessages(item.messages), reference: item.reference }
    : { question: item.question!, answer: item.answer!, reference: item.reference }

export const judgmentRoutes = [
  route({
    method: 'POST',
    path: '/v1/judgments',
    operationId: 'createJudgments',
    tag: 'Scoring',
    summary: 'Have a judge score answers',
    description:
      'P(Yes) of the first token, item by item and in order. An item that the judge would not answer is `abstained`, ' +
      'one whose answer could not be had is `failed`; neither carries a number.',
    scope: 'judge',
    body: judgmentsRequest,
    maxBytes: MAX_BATCH_BYTES,
    example: { judge: 'maths', items: [{ question: 'What is 2 + 3?', answer: 'It is 5.' }] },
    response: judgmentsAnswer,
    async handler({ deps, caller, body, request, work }) {
      const items = body.items.map(toJudgeItem)
      return showJudgments(await askJudge(deps, caller, body.judge, 'judge', items, { signal: request.signal, work }))
    },
  }),
]
