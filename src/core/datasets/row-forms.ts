/** The forms in which people have their rows, and what each becomes: a row `{prompt | messages, answer?, completion?}`. */
import { GavelError } from '../errors.ts'

/** A row as it stands in somebody's file. */
export type SourceRow = Record<string, unknown>

export const ROW_FORMS_TAKEN = ['gavel', 'chat', 'sharegpt', 'alpaca', 'gsm8k', 'question-answer'] as const
export type RowFormName = (typeof ROW_FORMS_TAKEN)[number]
/** Also those that no job can use, so that the remedy can be told. */
type KnownForm = RowFormName | 'preference' | 'text'

interface RowForm {
  /** What people call it. */
  label: string
  /** What becomes what, said aloud; or, of a form that no job can use, the remedy. */
  meaning: string
  /** Whether a row is of this form. No row is of two. */
  fits(row: SourceRow): boolean
  /** The columns that the row's new ones are made of, and these. @throws GavelError naming the field that does not fit */
  convert(row: SourceRow): { from: readonly string[]; to: SourceRow }
}

export const ROW_FORMS = {
  gavel: {
    label: 'Gavel',
    meaning: 'taken as they are',
    fits: (row) => !isPreference(row) && (has(row, 'prompt') || (has(row, 'messages') && has(row, 'completion'))),
    convert: (row) => ({ from: ['prompt', 'messages', 'answer', 'completion'], to: row }),
  },
  chat: {
    label: 'OpenAI chat',
    meaning: 'messages → messages, and a last one of the assistant → completion',
    fits: (row) => has(row, 'messages') && !has(row, 'prompt') && !has(row, 'completion') && !isPreference(row),
    convert: (row) => {
      refuseGiven(row, ['tools', 'functions', 'function_call'], 'no job knows tools; leave such rows out')
      return { from: ['messages', 'answer'], to: { ...conversation(row, 'messages'), answer: row.answer } }
    },
  },
  sharegpt: {
    label: 'ShareGPT',
    meaning: 'conversations → messages, and a last one of the assistant → completion',
    fits: (row) => has(row, 'conversations') && !isPreference(row),
    convert: (row) => {
      refuseGiven(row, ['tools'], 'no job knows tools; leave such rows out')
      const { messages, completion } = conversation(row, 'conversations')
      const system = has(row, 'system') ? [{ role: 'system', content: textOf(row, 'system') }] : []
      return { from: ['conversations', 'system'], to: { messages: [...system, ...messages], completion } }
    },
  },
  alpaca: {
    label: 'Alpaca',
    meaning: 'instruction + input → prompt, output → completion',
    fits: (row) => has(row, 'instruction') && has(row, 'output') && !isPreference(row),
    convert: (row) => {
      refuseGiven(row, ['history', 'system'], 'only one turn of a user is taken; write such rows as `messages`')
      const input = has(row, 'input') ? textOf(row, 'input') : ''
      const prompt = [textOf(row, 'instruction'), ...(input === '' ? [] : [input])].join('\n\n')
      return {
        from: ['instruction', 'input', 'output', 'history', 'system'],
        to: { prompt, completion: textOf(row, 'output') },
      }
    },
  },
  gsm8k: {
    label: 'GSM8K',
    meaning: 'question → prompt, what stands after #### → answer, the whole solution → completion',
    fits: (row) => isQuestion(row) && finalAnswer(row.answer) !== null,
    convert: (row) => {
      const completion = textOf(row, 'answer')
      const to = { prompt: textOf(row, 'question'), answer: finalAnswer(completion), completion }
      return { from: ['question', 'answer'], to }
    },
  },
  'question-answer': {
    label: 'questions with answers',
    meaning: 'question → prompt, answer → answer',
    fits: (row) => isQuestion(row) && finalAnswer(row.answer) === null,
    convert: (row) => ({ from: ['question', 'answer'], to: { prompt: textOf(row, 'question'), answer: row.answer } }),
  },
  preference: {
    label: 'preference pairs',
    meaning:
      'no job trains on chosen and rejected answers. For SFT on the chosen ones, rename `chosen` to `completion` and drop `rejected`',
    fits: (row) => isPreference(row),
    convert: unusable,
  },
  text: {
    label: 'plain text',
    meaning:
      'no job trains on plain text. For SFT give `prompt` and `completion`; for answers to be judged or verified give `prompt`',
    fits: (row) => has(row, 'text') && !has(row, 'gold') && !KEY_COLUMNS.some((name) => has(row, name)),
    convert: unusable,
  },
} satisfies Record<KnownForm, RowForm>

/** The columns by which forms are told apart. */
const KEY_COLUMNS = ['prompt', 'messages', 'conversations', 'instruction', 'question', 'chosen', 'rejected']
/** The columns that mean something to Gavel. */
const OWN_COLUMNS = ['prompt', 'messages', 'answer', 'completion']

/** What stands after #### on the last line of a solution, as in GSM8K. Null where nothing does. */
function finalAnswer(solution: unknown): string | null {
  if (typeof solution !== 'string') return null
  const at = solution.lastIndexOf('####')
  const answer = solution.slice(at + 4).trim()
  const isLastLine = at === 0 || solution[at - 1] === '\n'
  return at !== -1 && isLastLine && answer !== '' && !answer.includes('\n') ? answer : null
}

/**
 * What a row is, by its columns alone.
 * @throws GavelError `unprocessable` for what is none of the forms, could be several, or is one that no job can use
 */
export function rowFormOf(row: SourceRow): RowFormName {
  const fitting = formsOf(row)
  const [name] = fitting
  const columns = Object.keys(row).slice(0, 12).join(', ').slice(0, 200) || 'none'
  if (name === undefined) {
    const message = `its columns (${columns}) are of no form that is known. Name them as in Gavel's own: prompt or messages, and answer or completion.`
    throw new GavelError('unprocessable', message, { param: 'row' })
  }
  if (fitting.length > 1) {
    const labels = fitting.map((form) => ROW_FORMS[form].label).join(' or ')
    const message = `its columns (${columns}) could be ${labels}. Say which with --format (${fitting.join(', ')}), or drop columns.`
    throw new GavelError('unprocessable', message, { param: 'row' })
  }
  if (isTaken(name)) return name
  const { label, meaning } = ROW_FORMS[name]
  throw new GavelError('unprocessable', `it is of the form of ${label}, and ${meaning}.`, { param: 'row' })
}

/**
 * A row in Gavel's own form. Columns that the form knows nothing of are kept.
 * @throws GavelError `unprocessable` naming the field that is not as its form has it
 */
export function convertRow(row: SourceRow, form: RowFormName): SourceRow {
  const { label, fits, convert } = ROW_FORMS[form]
  if (!fits(row)) {
    const others = formsOf(row).map((name) => ROW_FORMS[name].label)
    const seems = others.length > 0 ? `looks like ${others.join(' or ')}` : 'has other columns'
    const message = `it is not of the form of the first row, ${label}: it ${seems}. Put rows of different forms into different files.`
    throw new GavelError('unprocessable', message, { param: 'row' })
  }
  const { from, to } = convert(row)
  const rest = Object.fromEntries(Object.entries(row).filter(([name, value]) => !from.includes(name) && value !== null))
  const stray = OWN_COLUMNS.find((name) => rest[name] !== undefined)
  if (stray !== undefined) {
    const message = `it has \`${stray}\` beside the columns of ${label}, and only one of them can be meant. Drop \`${stray}\`, or the others.`
    throw new GavelError('unprocessable', message, { param: stray })
  }
  return { ...rest, ...to }
}

/** What a row that is not in Gavel's form looks like, as the end of a message; empty where that is not known. */
export function nameForm(row: unknown): string {
  if (typeof row !== 'object' || row === null || has(row as SourceRow, 'prompt')) return ''
  const [name] = formsOf(row as SourceRow).filter((form) => form !== 'chat' && form !== 'gavel')
  if (name === undefined) return ''
  const { label, meaning } = ROW_FORMS[name]
  if (!isTaken(name)) return ` It looks like ${label}, and ${meaning}.`
  return ` It looks like ${label}, which \`gavel data upload\` converts (${meaning}).`
}

const formsOf = (row: SourceRow) => (Object.keys(ROW_FORMS) as KnownForm[]).filter((name) => ROW_FORMS[name].fits(row))
const isTaken = (name: KnownForm): name is RowFormName => (ROW_FORMS_TAKEN as readonly string[]).includes(name)

/** Null stands for a column that the row does not have, as in files that were made from tables. */
const has = (row: SourceRow, name: string) => Object.hasOwn(row, name) && row[name] !== null
const isPreference = (row: SourceRow) => has(row, 'chosen') || has(row, 'rejected')
const isQuestion = (row: SourceRow) => has(row, 'question') && has(row, 'answer') && !isPreference(row)

function unusable(): never {
  throw new Error('a form that no job can use is refused before')
}

function textOf(row: SourceRow, name: string): string {
  const value = row[name]
  if (typeof value === 'string') return value
  throw new GavelError('unprocessable', `\`${name}\` must be a text; mend it.`, { param: name })
}

/** Refuses columns that change what a row means, unless they are empty. */
function refuseGiven(row: SourceRow, names: readonly string[], why: string): void {
  const isEmpty = (value: unknown) => value == null || value === '' || (Array.isArray(value) && value.length === 0)
  const given = names.find((name) => !isEmpty(row[name]))
  if (given !== undefined) throw new GavelError('unprocessable', `it has \`${given}\`: ${why}.`, { param: given })
}

/** Who speaks, by the names that files have for it. */
const ROLES: Record<string, 'system' | 'user' | 'assistant'> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  human: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
}

interface Turn {
  role: string
  content: string
  weight: unknown
}

/** A conversation, and its last turn where that is the assistant's: what the model should write. */
function conversation(row: SourceRow, name: string) {
  const given = row[name]
  if (!Array.isArray(given) || given.length === 0) {
    throw new GavelError('unprocessable', `\`${name}\` must be a list of turns; mend it.`, { param: name })
  }
  const turns = given.map((turn: unknown, i) => turnOf(turn, `${name}[${i}]`))
  const last = turns.at(-1)!
  const ends = last.role === 'assistant'
  const messages = (ends ? turns.slice(0, -1) : turns).map(({ role, content }) => ({ role, content }))
  if (messages.length === 0) {
    throw new GavelError(
      'unprocessable',
      `\`${name}\` has nothing before the assistant's answer; give what was asked.`,
      {
        param: name,
      },
    )
  }
  if (ends && last.weight === 0) {
    const message = `\`${name}\` ends with a turn of weight 0, which is not to be trained on, and only the last turn is. Cut it off.`
    throw new GavelError('unprocessable', message, { param: name })
  }
  return { messages, completion: ends ? last.content : undefined }
}

/** Keys of a turn that say what Gavel has in other words, or nothing. */
const TURN_KEYS = ['role', 'from', 'content', 'value', 'weight', 'name', 'refusal', 'annotations']

function turnOf(turn: unknown, at: string): Turn {
  const bad = (why: string) => new GavelError('unprocessable', `\`${at}\` ${why}.`, { param: at })
  if (typeof turn !== 'object' || turn === null || Array.isArray(turn))
    throw bad('must be an object with role and text')
  const { role, from, content, value, weight } = turn as Record<string, unknown>
  const speaker = role ?? from
  const known = typeof speaker === 'string' && Object.hasOwn(ROLES, speaker) ? ROLES[speaker] : undefined
  if (known === undefined) {
    throw bad(`is of ${JSON.stringify(speaker)?.slice(0, 50) ?? 'nobody'}, and only ${Object.keys(ROLES).join(', ')} are known; leave such rows out`) // prettier-ignore
  }
  const stray = Object.entries(turn).find(([key, inner]) => !TURN_KEYS.includes(key) && inner != null)
  if (stray) throw bad(`has \`${stray[0].slice(0, 50)}\`, which would be lost; take it out, or leave such rows out`)
  const text = plainText(content ?? value)
  if (text === null) throw bad('has no text; only text is taken')
  return { role: known, content: text, weight }
}

/** A text, or the texts of a list of parts put together. Null for anything else. */
function plainText(content: unknown): string | null {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return null
  const texts = content.map((part: unknown) => {
    const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown }
    return type === 'text' && typeof text === 'string' ? text : null
  })
  return texts.includes(null) ? null : texts.join('')
}
