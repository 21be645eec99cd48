/** The thread that verifies: an event loop of its own, so that whatever a text takes to be read, the API's goes on. */
import { parentPort } from 'node:worker_threads'
import { GavelError } from '../../core/errors.ts'
import { packError } from '../../core/packed-error.ts'
import { textSimilarity } from '../../core/graders/text-similarity.ts'
import { assessRows } from '../../core/rewards/reward-rows.ts'
import { verifierOf } from '../../core/verifiers/index.ts'
import { verifyItems } from '../../core/verifiers/verify-items.ts'
import { WorkBudget } from '../../core/work-budget.ts'
import type { CheckAnswer, CheckRequest } from './check-messages.ts'
import { processTurns } from './process-turns.ts'

/** How often the process is told that the thread goes on, in ms. */
const ALIVE_MS = 1000

const turns = processTurns()
const port = parentPort!

async function check(request: CheckRequest): Promise<CheckAnswer> {
  const { id, whose } = request
  const work = new WorkBudget(turns, null, whose)
  try {
    if (turns.due()) await work.turn()
    if (request.kind === 'verify') {
      return { id, verdicts: await verifyItems(verifierOf(request.spec), request.items, work) }
    }
    if (request.kind === 'similarity') {
      const { metric, input, reference } = request
      return { id, similarity: work.piece('input', () => textSimilarity(metric, input, reference)) }
    }
    const rows = await assessRows(request.recipe, request.items, null, work)
    return { id, rows: rows.map((row) => ({ ...row, invalid: row.invalid && packError(row.invalid) })) }
  } catch (error) {
    return error instanceof GavelError ? { id, error: packError(error) } : { id, failure: error }
  }
}

port.on('message', (request: CheckRequest) => void check(request).then((answer) => port.postMessage(answer)))
setInterval(() => port.postMessage(null), ALIVE_MS).unref()
