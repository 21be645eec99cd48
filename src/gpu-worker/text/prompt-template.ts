/**
 * A job's `prompt_template` as a chat template, so that whatever opens the checkpoint sees what was trained. One turn of
 * the user, answered or not, is the text with the turn in its place. Any other conversation goes through the model's own
 * chat template; where it has none, each turn of the user gets the text around it.
 */

/** Where the text of the row goes. */
const PLACE = '{prompt}'
const OPENS = '{#- The prompt_template of a Gavel job; any other conversation: see the else. #}'
const OTHERWISE = '{%- else %}{# The chat template of the model. #}\n'
const CLOSES = '{% endif %}'

/** What the template's texts are made of. */
export interface TemplateParts {
  /** The job's, with `{prompt}` in it. */
  promptTemplate: string
  /** The model's own chat template, one that this function made included. */
  own: string | null
  /** What the tokenizer puts before a text: chat templates have to say it themselves. */
  prefix: string
  /** The text of the token that ends an answer. */
  end: string
}

/** The chat template in Jinja. Made from its own result again, it is the same. */
export function promptChatTemplate({ promptTemplate, own, prefix, end }: TemplateParts): string {
  const at = promptTemplate.indexOf(PLACE)
  const [before, after] = [promptTemplate.slice(0, at), promptTemplate.slice(at + PLACE.length)]
  const user = `{{- ${quoted(before)} + message['content'] + ${quoted(after)} }}`
  const turns = (rest: string) =>
    `{{- ${quoted(prefix)} }}{%- for message in messages %}` +
    `{%- if message['role'] == 'user' %}${user}` +
    `{%- elif message['role'] == 'assistant' %}{{- message['content'] + ${quoted(end)} }}${rest}{%- endif %}{%- endfor %}`
  const other = modelsOwn(own)
  if (other === null) return `${OPENS}${turns("{%- else %}{{- message['content'] + '\\n' }}")}`
  const single =
    "messages[0]['role'] == 'user' and (messages|length == 1 or (messages|length == 2 and messages[1]['role'] == 'assistant'))"
  return `${OPENS}{%- if ${single} %}${turns('')}${OTHERWISE}${other}${CLOSES}`
}

/** What the model's template was before any job put its own around it. */
function modelsOwn(own: string | null): string | null {
  // Jinja drops one line end at the end of a template, where nothing follows.
  if (!own?.startsWith(OPENS)) return own?.replace(/\n$/, '') ?? null
  const at = own.indexOf(OTHERWISE)
  return at < 0 ? null : own.slice(at + OTHERWISE.length, own.length - CLOSES.length)
}

/** A text as a literal that Jinja and its likes read alike. */
export function quoted(text: string): string {
  const escapes: Record<string, string> = { '\\': '\\\\', "'": "\\'", '\n': '\\n', '\r': '\\r', '\t': '\\t' }
  return `'${text.replace(/[\\'\n\r\t]/g, (character) => escapes[character]!)}'`
}
