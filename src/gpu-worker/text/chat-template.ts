import { Environment, parse, tokenize } from '@huggingface/jinja'
import { GavelError } from '../../core/errors.ts'
import { PythonInterpreter } from './jinja-interpreter.ts'
import { call, integer, list, mapping, numberOf, str, text, type Value } from './jinja-values.ts'
import { strftime } from './strftime.ts'

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant'
  content: string
}

/** What a template may be told beside the messages, such as `enable_thinking`; a template ignores what it does not know. */
export type TemplateArguments = Record<string, unknown>

export interface RenderOptions {
  /** Whether the text goes on to where the assistant is to answer. Default true. */
  addGenerationPrompt?: boolean | undefined
  args?: TemplateArguments | undefined
  /** What a template that asks for the date is told. Default {@link TEMPLATE_DATE}: training has no clock. */
  date?: Date | undefined
}

/** 26 July 2024, which Llama 3.1's template takes where it is told no date. */
export const TEMPLATE_DATE = new Date(2024, 6, 26)

/** Most numbers of a `range`, as in Jinja's sandbox. */
const MOST = 100_000

/** A chat template in Jinja, rendered as transformers renders it. One that cannot be read refuses every conversation. */
export class ChatTemplate {
  readonly source: string
  private readonly special: Record<string, string>
  private parsed: ReturnType<typeof parse> | undefined

  /** @param special the tokenizer's special tokens by name */
  constructor(source: string, special: Record<string, string>) {
    this.source = source
    this.special = special
  }

  /** Throws `invalid_request` where the template cannot be read, is not understood, or refuses the messages. */
  render(
    messages: readonly ChatMessage[],
    { addGenerationPrompt = true, args, date = TEMPLATE_DATE }: RenderOptions = {},
  ): string {
    // prettier-ignore
    try {
      this.parsed ??= parse(
        tokenize(this.source.replace(/\r\n?/g, '\n'), { lstrip_blocks: true, trim_blocks: true }),
      )
      const scope = new Environment()
      const given = {
        ...this.special,
        tools: null,
        documents: null,
        ...args,
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: addGenerationPrompt,
      }
      for (const [name, value] of Object.entries({ ...CONSTANTS, ...given })) scope.set(name, value)
      const dated = call(([format]) => text(strftime(date, str(format!))))
      for (const [name, value] of Object.entries({ ...FUNCTIONS, strftime_now: dated })) scope.setVariable(name, value)
      return new PythonInterpreter(scope).run(this.parsed).value
    } catch (cause) {
      const what = this.parsed ? 'refuses these messages' : 'cannot be read'
      throw new GavelError('invalid_request', `the model's chat template ${what}: ${(cause as Error).message}`, { cause })
    }
  }
}

const CONSTANTS = { true: true, false: false, none: null, True: true, False: false, None: null }

const FUNCTIONS: Record<string, Value> = {
  raise_exception: call(([message]) => {
    throw new Error(message ? str(message) : 'no')
  }),
  range: call((args) => {
    const [a = 0, b, step = 1] = args.map((value) => numberOf(value) ?? 0)
    const [from, to] = b === undefined ? [0, a] : [a, b]
    const count = step === 0 ? NaN : Math.max(0, Math.ceil((to - from) / step))
    if (!(count <= MOST)) throw new Error(`a range of more than ${MOST} numbers, or of none, is refused`)
    return list(Array.from({ length: count }, (_, i) => integer(from + i * step)))
  }),
  dict: call((args) => {
    const last = args.at(-1)
    return mapping(new Map(last?.type === 'KeywordArgumentsValue' ? (last.value as Map<string, Value>) : []))
  }),
}
