/**
 * The process that runs one job: ONNX Runtime blocks its event loop, so leases, heartbeats and uploads are its
 * parent's (run-worker.ts). It speaks job-messages.ts over IPC and ends with the job, or with its parent.
 */
import { mkdirSync, statfsSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import { combineJudges } from '../../core/judges/ensemble.ts'
import { calibrated, NO_CACHE, scoreItems, type ScoredItem } from '../../core/judges/score-items.ts'
import type { JudgeItem } from '../../core/judges/template.ts'
import { countScored, NOTHING_USED, type UsageCounts } from '../../core/judges/usage-counts.ts'
import type { JudgeRole } from '../../core/rewards/reward-rows.ts'
import type { JobInputs, JudgeInput, LeasedJob, ModelInput } from '../../core/schemas/worker.ts'
import { runAlgorithm } from '../algorithms/index.ts'
import { RunStopped, type RunContext } from '../algorithms/run-context.ts'
import { endWithParent } from '../child-process/end-with-parent.ts'
import { sealNetwork } from '../child-process/seal-network.ts'
import { openLocalJudge } from '../judge/open-local-judge.ts'
import { openFetched, openFolder, type ModelFolder } from '../models/source.ts'
import { during, note, tellProgressTo } from '../progress/progress-mark.ts'
import { PythonSandbox } from '../sandbox/python-sandbox.ts'
import { DatasetFile } from './dataset-file.ts'
import { jobErrorOf } from './job-error.ts'
import type { FromJob, JobOrder, ToJob } from './job-messages.ts'

const send = (message: FromJob) => new Promise<void>((resolve) => void process.send!(message, () => resolve()))

let stopRequested = false
let committed: () => void = () => {}
/** What waits for an answer of the parent, by the number of its request. */
const waiting = new Map<number, (judgments: ScoredItem[]) => void>()

/** While the event loop turns, this process gets on. */
const TICK_MS = 500

const HANDLERS: { [T in ToJob['type']]: (message: Extract<ToJob, { type: T }>) => void } = {
  start: ({ order }) => void run(order),
  stop: () => (stopRequested = true),
  committed: () => committed(),
  judged: ({ request, judgments }) => answered(request, judgments),
  noted: ({ request }) => answered(request, []),
}

function answered(request: number, judgments: ScoredItem[]): void {
  waiting.get(request)!(judgments)
  waiting.delete(request)
}

process.on('message', (message: ToJob) => (HANDLERS[message.type] as (m: ToJob) => void)(message))
process.on('disconnect', () => process.exit(1))
endWithParent()
// A terminal and a service manager signal the whole group; the parent decides what it means, and says so.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})

async function run(order: JobOrder): Promise<void> {
  sealNetwork()
  try {
    tellProgressTo(order.progress)
    setInterval(() => note(), TICK_MS)
    const context = await contextOf(order)
    warnOfJudges(order, context)
    const result = await runAlgorithm(order.job.spec, context)
    await send({ type: 'done', result })
  } catch (error) {
    if (error instanceof RunStopped) await send({ type: 'stopped' })
    else {
      // For the operator, who alone can make something of where it happened.
      if (!(error instanceof GavelError)) console.error(error)
      await send({ type: 'failed', ...jobErrorOf(error) })
    }
  }
  process.exit(0)
}

/** Once a job that trains on a judge: what is wrong with it, and that nobody knows. */
function warnOfJudges({ job: { inputs, attempt } }: JobOrder, { event }: RunContext): void {
  const { judge, reranker, reward } = inputs
  if (attempt > 1 || !reward) return
  for (const [asked, weight] of [
    [judge, reward.mu],
    [reranker, reward.rho],
  ] as const) {
    if (!asked || weight === 0) continue
    for (const warning of asked.warnings ?? []) event('warning', `judge ${asked.id}: ${warning}`)
    if (asked.audited !== false) continue
    const audit = `gavel judge audit --judge ${asked.id}`
    event('warning', `judge ${asked.id} was never audited, so nobody knows what fools it: \`${audit} --dataset …\``)
  }
}

async function contextOf(order: JobOrder): Promise<RunContext> {
  const { job, options, workspace, modelPath } = order
  const { inputs } = job
  return {
    clock: { now: () => performance.timeOrigin + performance.now() },
    threads: options.threads,
    device: options.device,
    memoryBudgetMb: options.memoryBudgetMb,
    resume: order.resume,
    shardBytes: order.options.shardBytes,
    storage: roomOf(order),
    async openModel() {
      if (!inputs.model) throw new GavelError('invalid_request', `a job of type ${job.type} has no model`)
      return open(inputs.model, modelPath!)
    },
    rows: (role) => new DatasetFile(order.datasets[role]!, inputs.datasets[role]!.rows),
    ...(await judgesOf(inputs, order)),
    ...(inputs.fallback && { fallback: laterJudges(inputs.fallback, order) }),
    ...(inputs.judge && { judgeWords: inputs.judge }),
    programs: new PythonSandbox().runnerFor({ tenant: '' }),
    metrics: (step, values) => void send({ type: 'metrics', point: { step, values } }),
    event: (level, message, data) => void send({ type: 'event', event: { level, message, ...(data && { data }) } }),
    samples: (samples) => void send({ type: 'samples', samples }),
    async checkpoint(step, state, write) {
      const folder = join(workspace, `step-${step}`)
      mkdirSync(folder, { recursive: true })
      await during('writing', () => write(folder))
      const done = new Promise<void>((resolve) => (committed = resolve))
      await send({ type: 'checkpoint', step, state, folder })
      await done
    },
    stopRequested: () => stopRequested,
  }
}

/** What there is room for as the job begins. */
function roomOf({ workspace, job }: JobOrder): RunContext['storage'] {
  // An API of an earlier version does not say.
  const store = job.store as LeasedJob['store'] | undefined
  if (!store) return undefined
  const { bavail, bsize } = statfsSync(workspace)
  return {
    scratch: { freeBytes: bavail * bsize, volume: `${hostname()}/${statSync(workspace).dev}` },
    store: { objectBytes: store.object_bytes, freeBytes: store.free_bytes, volume: store.volume },
  }
}

function open(input: ModelInput, path: string): ModelFolder {
  note('opening')
  const opened = input.type === 'checkpoint' ? openFolder(path) : openFetched(input, path)
  note('own work')
  return opened
}

type Judges = Pick<JobInputs, JudgeRole>

/** How the judges of a recipe are asked. */
async function judgesOf(judges: Judges, order: JobOrder): Promise<Pick<RunContext, 'judge' | 'judgedElsewhere'>> {
  const asks = { judge: await judgeOf(judges.judge, order), reranker: await judgeOf(judges.reranker, order) }
  return {
    judge(items, role = 'judge') {
      const ask = asks[role]
      return ask ? ask(items) : Promise.reject(new GavelError('invalid_request', `this job has no ${role}`))
    },
    judgedElsewhere: areElsewhere(judges),
  }
}

/** The same of judges that may never be asked: opened when they first are. */
function laterJudges(judges: Judges, order: JobOrder): Pick<RunContext, 'judge' | 'judgedElsewhere'> {
  let opened: ReturnType<typeof judgesOf> | undefined
  return {
    judge: async (items, role) => (await (opened ??= judgesOf(judges, order))).judge(items, role),
    judgedElsewhere: areElsewhere(judges),
  }
}

const areElsewhere = (judges: Judges): boolean =>
  [judges.judge, judges.reranker].every((judge) => !judge || isElsewhere(judge))

/** Whether the parent asks it, through the API. */
const isElsewhere = ({ model, ensemble }: JudgeInput): boolean =>
  ensemble ? ensemble.members.every((member) => !member.model) : !model

type Ask = (items: JudgeItem[]) => Promise<ScoredItem[]>

/** How a judge is asked: an ensemble through each of its judges. */
async function judgeOf(judge: JudgeInput | null | undefined, { judgePaths, options }: JobOrder): Promise<Ask | null> {
  if (!judge) return null
  const { ensemble } = judge
  if (!ensemble) return askOne(judge)
  const members = await Promise.all(ensemble.members.map(askOne))
  return async (items) => {
    const scored = await Promise.all(members.map((ask) => ask(items)))
    return combineJudges(ensemble, scored).map((item) => calibrated(item, judge))
  }

  /** A local judge is loaded here; any other is asked by the parent, through the API. */
  async function askOne(one: Omit<JudgeInput, 'ensemble'>): Promise<Ask> {
    if (!one.model) return (items) => askParent(one.id, items)
    const { engine = 'gavel', labels } = one
    note('opening')
    const client = await openLocalJudge(judgePaths[one.id]!, engine, { ...options, labels })
    note('own work')
    return async (items) => {
      await noteUse(one.id, { ...NOTHING_USED, items: items.length })
      // A local judge's last digits depend on what it is asked together with. All answers of a step are asked anew,
      // together, when a run goes on after a fault: with some of them known from before, it would end with other bytes.
      const scored = await scoreItems(items, one, client, NO_CACHE)
      await noteUse(one.id, { ...countScored(scored), items: 0 })
      return scored
    }
  }
}

let requests = 0
async function parentAnswers(message: (request: number) => FromJob): Promise<ScoredItem[]> {
  const request = ++requests
  const answer = new Promise<ScoredItem[]>((resolve) => waiting.set(request, resolve))
  await send(message(request))
  return answer
}

const askParent = (judge: string, items: JudgeItem[]) =>
  parentAnswers((request) => ({ type: 'judge', request, judge, items }))

/** Enters the use of a local judge into the ledger. Where a budget does not allow for it, the parent ends the job. */
const noteUse = (judge: string, counts: UsageCounts) =>
  parentAnswers((request) => ({ type: 'used', request, judge, counts }))
