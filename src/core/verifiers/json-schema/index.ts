import { GavelError } from '../../errors.ts'
import type { Json } from '../../schemas/fields.ts'
import type { PureVerifier } from '../verifier.ts'
import { compileSchema, SchemaError, type JsonSchema, type JsonValue } from './json-schema.ts'

const FENCED = /^```[ \t]*(?:json)?[ \t]*\r?\n([\s\S]*)\n[ \t]*```$/i

/**
 * The text is JSON, alone or as one fenced block, that meets a schema: the one given, else gold itself as JSON.
 * @throws GavelError unprocessable (param `verifier.schema`) for a schema that cannot be used
 */
export function jsonSchema(given: Record<string, Json> | undefined): PureVerifier {
  const fixed = given && compiled(given, 'verifier.schema')
  // Rows of one question stand side by side, and have the same schema.
  let last: { gold: string; schema: JsonSchema } | null = null
  const schemaOf = (gold: string) => {
    if (fixed) return fixed
    if (last?.gold !== gold) last = { gold, schema: compiled(parsedGold(gold), 'gold') }
    return last.schema
  }
  return {
    read(text) {
      const json = jsonOf(text)
      return json && { answer: json.source }
    },
    same: (a, b) => a.answer === b.answer,
    checkGold: (gold) => void schemaOf(gold),
    verify({ text, gold }) {
      const schema = schemaOf(gold)
      const json = jsonOf(text)
      if (!json) return { correct: false, extracted: null, reward: 0, reason: 'The text is not JSON.' }
      const failed = schema.failure(json.value)
      const extracted = json.source
      if (failed === null) return { correct: true, extracted, reward: 1 }
      return { correct: false, extracted, reward: 0, reason: `By the schema, ${failed.slice(0, 300)}.` }
    },
  }
}

function jsonOf(text: string): { source: string; value: JsonValue } | null {
  const trimmed = text.trim()
  const source = (FENCED.exec(trimmed)?.[1] ?? trimmed).trim()
  try {
    return { source, value: JSON.parse(source) as JsonValue }
  } catch {
    return null
  }
}

function parsedGold(gold: string): JsonValue {
  try {
    return JSON.parse(gold) as JsonValue
  } catch {
    const message =
      "The gold answer is no JSON: give a JSON Schema there, or one for all rows as the verifier's `schema`."
    throw new GavelError('unprocessable', message, { param: 'gold' })
  }
}

function compiled(schema: JsonValue, param: string): JsonSchema {
  try {
    return compileSchema(schema)
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error
    throw new GavelError('unprocessable', `The JSON Schema cannot be used: ${error.message}.`, { param })
  }
}
