import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GavelError } from '../../core/errors.ts'
import type { TokenizerFiles } from './text-codec.ts'

/**
 * The tokenizer of a model folder: `tokenizer.json`, and `tokenizer_config.json` with the chat template of
 * `chat_template.jinja`, where transformers keeps it in a file of its own. Throws `corrupt_model`.
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  const path = join(folder, 'tokenizer.json')
  if (!existsSync(path)) {
    throw new GavelError(
      'corrupt_model',
      `${path} is missing; save the tokenizer there with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(folder)`,
      { param: path },
    )
  }
  const configPath = join(folder, 'tokenizer_config.json')
  const config = existsSync(configPath) ? parse(configPath) : {}
  const template = join(folder, 'chat_template.jinja')
  return {
    tokenizer: parse(path),
    config: {
      ...config,
      chat_template: existsSync(template) ? readFileSync(template, 'utf8') : oneTemplate(config.chat_template),
    },
  }
}

/** Models with several templates list them by name; `default` is the one for plain conversations. */
function oneTemplate(template: unknown): unknown {
  if (!Array.isArray(template)) return template ?? null
  const named = template as { name?: unknown; template?: unknown }[]
  return named.find((entry) => entry?.name === 'default')?.template ?? null
}

function parse(path: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new GavelError('corrupt_model', `${path} is not JSON: ${(cause as Error).message}`, { param: path, cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new GavelError('corrupt_model', `${path} is not a JSON object`, { param: path })
}
