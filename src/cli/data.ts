import type { Command } from 'commander'
import { basename } from 'node:path'
import { all } from '../client.ts'
import type { Dataset } from '../core/schemas/dataset.ts'
import { apiCommand, connect, listCommand, wholeNumber, type ApiOptions } from './api-command.ts'
import type { Io } from './io.ts'
import { excerpt, print, printList, size, time, type Columns } from './output.ts'
import { readInput } from './read-input.ts'

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

/** `gavel data`: datasets. */
export function registerData(program: Command, io: Io): void {
  const data = program
    .command('data')
    .description('datasets: JSONL rows {id?, prompt | messages, answer?, completion?}')

  apiCommand(data, 'upload <file>', 'upload a JSONL file; a bad line is named, and nothing is stored then')
    .option('--name <name>', 'what to call it; a name that exists gets its next version')
    .action(async (file: string, options: ApiOptions & { name?: string }) => {
      const created = await connect(io, options).datasets.create(readInput(file), { name: options.name })
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
