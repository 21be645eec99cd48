import { Option, type Command } from 'commander'
import { basename } from 'node:path'
import { all } from '../client.ts'
import { describeTaken, FILE_FORMATS, type FileFormat, type Taken } from '../core/datasets/dataset-converter.ts'
import type { Dataset } from '../core/schemas/dataset.ts'
import { apiCommand, connect, listCommand, wholeNumber, type ApiOptions } from './api-command.ts'
import type { Io } from './io.ts'
import { excerpt, print, printList, size, time, visible, type Columns } from './output.ts'
import { readRows } from './read-rows.ts'

const COLUMNS: Columns<Dataset> = {
  id: (d) => d.id,
  name: (d) => d.name ?? '-',
  version: (d) => d.version,
  rows: (d) => d.rows,
  labelled: (d) => d.labelled,
  completions: (d) => d.completions,
  size: (d) => size(d.bytes),
  created: (d) => time(d.created_at),
}

const describe = (d: Dataset) =>
  `${d.id}${d.name === null ? '' : ` ${d.name} (version ${d.version})`}: ` +
  `${d.rows} rows, ${d.labelled} labelled, ${d.completions} with a completion, ${size(d.bytes)}`

type UploadOptions = ApiOptions & { name?: string; appendTo?: string; format: FileFormat }

/** `gavel data`: datasets. */
export function registerData(program: Command, io: Io): void {
  const data = program
    .command('data')
    .description('datasets: JSONL rows {id?, prompt | messages, answer?, completion?}')

  const what = 'upload rows: JSONL, a JSON array or CSV, also as .gz; a bad line is named, and nothing is stored then'
  apiCommand(data, 'upload <file>', what)
    .option('--name <name>', 'what to call it; a name that exists gets its next version')
    .option('--append-to <dataset>', 'a dataset, by id or name: its rows and these are its next version')
    .addOption(new Option('--format <format>', 'what the file is').choices(FILE_FORMATS).default('auto'))
    .action(async (file: string, { name, appendTo, format, ...options }: UploadOptions) => {
      let taken: Taken | undefined
      const rows = readRows(file, format, (told) => (taken = told))
      const created = await connect(io, options).datasets.create(rows, { name, appendTo })
      if (taken && (taken.form !== 'gavel' || taken.unused.length > 0)) io.err(`${visible(describeTaken(taken))}\n`)
      print(io, options, created, (d) => `${basename(file)} is ${describe(d)}`)
    })

  listCommand(data, 'list', 'list datasets, newest first').action(async (options: ApiOptions & { limit: number }) => {
    await printList(io, options, connect(io, options).datasets.list, COLUMNS)
  })

  apiCommand(data, 'show <dataset>', 'show a dataset, by id or name, and its first rows')
    .option('--rows <n>', 'how many rows', wholeNumber, 5)
    .action(async (id: string, options: ApiOptions & { rows: number }) => {
      const { datasets } = connect(io, options)
      const dataset = await datasets.get(id)
      const rows = await all(datasets.rows(dataset.id, { limit: options.rows }))
      print(io, options, { ...dataset, first_rows: rows.map(({ line, row }) => ({ line, row })) }, () =>
        [
          describe(dataset),
          ...rows.map(({ line, row }) => `  line ${line}  ${excerpt(JSON.stringify(row), 120)}`),
        ].join('\n'),
      )
    })

  apiCommand(data, 'delete <dataset>', 'delete a dataset and its file').action(
    async (id: string, options: ApiOptions) => {
      print(io, options, await connect(io, options).datasets.delete(id), (d) => `${d.id} is deleted`)
    },
  )
}
