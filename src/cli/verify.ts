import type { Command } from 'commander'
import { hasLostDigits, LOST_DIGITS, parseJsonNumbersAsText } from '../core/json.ts'
import type { Verdict, VerifierSpec } from '../core/schemas/verify.ts'
import { CliError, EXIT, type Io } from './io.ts'
import { excerpt, percent, print, table } from './output.ts'
import { readJsonLines, type JsonLine } from './read-input.ts'

interface Tally {
  right: number
  n: number
}
type Row = JsonLine & { text: string; gold: string; expected: boolean | undefined; tier: string | undefined }
/** A row with its verdict, or with why its gold cannot be compared with anything. */
type Checked = { row: Row; verdict: Verdict; error?: undefined } | { row: Row; verdict: null; error: string }

interface VerifyOptions {
  verifier: string
  json?: boolean
}

const VERIFIER_HELP = 'a name, or its options as JSON: {"type": "string_check", "operation": "ilike"}'

/** `gavel verify`: verdicts for rows of a file, here and now: no API is asked. */
export function registerVerify(program: Command, io: Io): void {
  program
    .command('verify <file>')
    .description(
      'check answers against gold: JSONL rows {text, gold}; with `expected`, how often the verifier is right',
    )
    .option('--verifier <name>', VERIFIER_HELP, 'math')
    .option('--json', 'print JSON: a verdict a line, or the counts where rows carry `expected`')
    .action((file: string, options: VerifyOptions) => verify(io, file, options))
}

async function verify(io: Io, file: string, options: VerifyOptions): Promise<void> {
  const [{ verifierOf }, { PythonSandbox }, { GavelError }] = await Promise.all([
    import('../core/verifiers/index.ts'),
    import('../gpu-worker/sandbox/python-sandbox.ts'),
    import('../core/errors.ts'),
  ])
  const sandbox = new PythonSandbox()
  const verifier = verifierOf(await readSpec(options.verifier), sandbox.runnerFor({ tenant: '' }))
  const rows = readRows(file)
  const check = async (row: Row): Promise<Checked> => {
    try {
      return { row, verdict: await verifier.verify(row) }
    } catch (error) {
      if (!(error instanceof GavelError) || error.param !== 'gold') throw error
      return { row, verdict: null, error: error.message }
    }
  }
  const checked = await Promise.all(rows.map(check)).finally(() => sandbox.close())
  if (rows[0]!.expected === undefined) printVerdicts(io, file, options, checked)
  else printCounts(io, options, checked)
}

/** @throws CliError for a name that is none, and options that are not a verifier's */
async function readSpec(given: string): Promise<VerifierSpec> {
  const [{ parse }, { verifierSpec }] = await Promise.all([
    import('../core/schemas/parse.ts'),
    import('../core/schemas/verify.ts'),
  ])
  try {
    return parse(verifierSpec, given.trimStart().startsWith('{') ? JSON.parse(given) : given, 'verifier')
  } catch (error) {
    throw new CliError(`--verifier ${excerpt(given)}: ${(error as Error).message}`, EXIT.usage)
  }
}

/** @throws CliError naming the lines that are not of the form */
function readRows(file: string): Row[] {
  const rows = readJsonLines(
    file,
    ({ text, gold, expected, tier }) => {
      if (typeof text !== 'string') return 'has no `text` (what the model wrote, a string)'
      if (typeof gold !== 'string' && typeof gold !== 'number' && typeof gold !== 'boolean')
        return 'has no `gold` (the right answer: a string, a number, true or false)'
      if (hasLostDigits(gold)) return `has a \`gold\` that ${LOST_DIGITS}`
      if (expected !== undefined && typeof expected !== 'boolean') return 'has an `expected` other than true or false'
      if (tier !== undefined && typeof tier !== 'string' && typeof tier !== 'number')
        return 'has a `tier` that is no name'
      return null
    },
    parseJsonNumbersAsText,
  ).map(({ line, row }) => {
    const { text, gold, expected, tier } = row as Pick<Row, 'text' | 'expected'> & {
      gold: string | number | boolean
      tier?: string | number
    }
    return { line, row, text, gold: String(gold), expected, tier: tier === undefined ? undefined : String(tier) }
  })
  const lacking = rows.find((row) => (row.expected === undefined) !== (rows[0]!.expected === undefined))
  if (lacking) {
    const [has, hasNot] = lacking.expected === undefined ? [rows[0]!, lacking] : [lacking, rows[0]!]
    throw new CliError(
      `${file}: line ${has.line} carries \`expected\` and line ${hasNot.line} does not. Give it in all rows or in none.`,
    )
  }
  return rows
}

/** A verdict a row, in order. */
function printVerdicts(io: Io, file: string, options: VerifyOptions, checked: readonly Checked[]): void {
  for (const { row, verdict, error } of checked) {
    const id = row.row.id === undefined ? {} : { id: row.row.id }
    print(io, options, { line: row.line, ...id, ...(verdict ?? { error }) }, () => {
      if (!verdict) return `line ${row.line}  no verdict: ${error}`
      const said = verdict.extracted === null ? 'no answer' : `said ${excerpt(verdict.extracted)}`
      return `line ${row.line}  ${verdict.correct ? 'right' : 'wrong'}  ${said}, gold ${excerpt(row.gold)}`
    })
  }
  const bad = checked.filter(({ verdict }) => verdict === null)
  if (bad.length === 0) return
  const lines = bad.map(({ row }) => row.line).join(', ')
  throw new CliError(
    `${file}: ${bad.length} of ${checked.length} rows have no verdict (line ${excerpt(lines)}). Mend their gold.`,
  )
}

/** How often the verdict is the expected one. A row whose gold cannot be compared counts against the verifier. */
function printCounts(io: Io, options: VerifyOptions, checked: readonly Checked[]): void {
  const isRight = ({ row, verdict }: Checked) => verdict?.correct === row.expected
  const tally = (some: readonly Checked[]): Tally => ({ right: some.filter(isRight).length, n: some.length })
  const named = checked.filter(({ row }) => row.tier !== undefined)
  const byTier = [...Map.groupBy(named, ({ row }) => row.tier!)].sort(([a], [b]) =>
    a.localeCompare(b, 'en', { numeric: true }),
  )
  const tiers = Object.fromEntries(byTier.map(([tier, some]) => [tier, tally(some)]))
  print(io, options, { tiers, ...tally(checked) }, () => {
    const misses = checked.filter((row) => !isRight(row)).map(describeMiss)
    const lines = [...Object.entries(tiers), ['all', tally(checked)] as const]
    const share = table(
      {
        tier: ([name]) => name,
        right: ([, t]) => t.right,
        n: ([, t]) => t.n,
        share: ([, t]) => percent(t.right / t.n),
      },
      lines,
    )
    return [...misses, share].join('\n')
  })
}

function describeMiss({ row, verdict, error }: Checked): string {
  const wanted = row.expected ? 'right' : 'wrong'
  if (!verdict) return `line ${row.line}  should be ${wanted}: ${error}`
  return `line ${row.line}  should be ${wanted}: said ${excerpt(verdict.extracted ?? 'nothing')}, gold ${excerpt(row.gold)}`
}
