import type { Command } from 'commander'
import type { Model, ModelSource } from '../core/schemas/model.ts'
import { apiCommand, connect, listCommand, type ApiOptions } from './api-command.ts'
import { CliError, EXIT, type Io } from './io.ts'
import { print, printList, time, type Columns } from './output.ts'

const SOURCES: { [T in ModelSource['type']]: (source: Extract<ModelSource, { type: T }>) => string } = {
  hub: (s) => `hub ${s.repo}${s.revision ? `@${s.revision}` : ''}${s.file ? ` ${s.file}` : ''}`,
  local: (s) => `path ${s.path}`,
  checkpoint: (s) => s.checkpoint,
}
const describeSource = (source: ModelSource) => SOURCES[source.type](source as never)

const COLUMNS: Columns<Model> = {
  id: (m) => m.id,
  name: (m) => m.name,
  version: (m) => m.version,
  source: (m) => describeSource(m.source),
  created: (m) => time(m.created_at),
}
const describe = (m: Model) => `${m.id} ${m.name} (version ${m.version}): ${describeSource(m.source)}`

interface CreateOptions extends ApiOptions {
  name: string
  hub?: string
  revision?: string
  file?: string
  path?: string
  checkpoint?: string
}

/** `gavel models`: names for weights that workers can load. */
export function registerModels(program: Command, io: Io): void {
  const models = program.command('models').description('models: names for weights that workers can load')

  apiCommand(models, 'create', 'give weights a name: of the Hub, on the worker, or of a checkpoint')
    .requiredOption('--name <name>', 'what to call it; a name that exists gets its next version')
    .option('--hub <repo>', 'a model of the Hub, owner/name')
    .option('--revision <rev>', 'with --hub: branch, tag or commit')
    .option('--file <file>', 'with --hub: one file of the repository, for GGUF')
    .option('--path <path>', "a folder or GGUF file on the worker's machine")
    .option('--checkpoint <id>', 'a checkpoint (ckpt_…)')
    .action(async (options: CreateOptions) => {
      const created = await connect(io, options).models.create({ name: options.name, source: sourceOf(options) })
      print(io, options, created, describe)
    })

  listCommand(models, 'list', 'list models, newest first').action(async (options: ApiOptions & { limit: number }) => {
    await printList(io, options, connect(io, options).models.list, COLUMNS)
  })

  apiCommand(models, 'show <model>', 'show a model, by id or name').action(async (id: string, options: ApiOptions) => {
    print(io, options, await connect(io, options).models.get(id), describe)
  })

  apiCommand(models, 'delete <model>', 'delete a model; its weights stay where they are').action(
    async (id: string, options: ApiOptions) => {
      print(io, options, await connect(io, options).models.delete(id), (d) => `${d.id} is deleted`)
    },
  )
}

function sourceOf({ hub, revision, file, path, checkpoint }: CreateOptions): ModelSource {
  const given: ModelSource[] = []
  if (hub !== undefined) given.push({ type: 'hub', repo: hub, ...(revision && { revision }), ...(file && { file }) })
  if (path !== undefined) given.push({ type: 'local', path })
  if (checkpoint !== undefined) given.push({ type: 'checkpoint', checkpoint })
  const [source] = given
  if (source && given.length === 1) return source
  throw new CliError('A model has one source: give one of --hub, --path and --checkpoint.', EXIT.usage)
}
