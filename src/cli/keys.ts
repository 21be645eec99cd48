import type { Command } from 'commander'
import type { Key, Scope } from '../core/schemas/key.ts'
import { apiCommand, connect, listCommand, type ApiOptions } from './api-command.ts'
import type { Io } from './io.ts'
import { print, printList, time, type Columns } from './output.ts'

const COLUMNS: Columns<Key> = {
  id: (k) => k.id,
  name: (k) => k.name ?? '-',
  tenant: (k) => k.tenant,
  scopes: (k) => k.scopes.join(','),
  created: (k) => time(k.created_at),
}

interface CreateOptions extends ApiOptions {
  name?: string
  scopes: string
  tenant?: string
}

/** `gavel keys`: API keys. Needs one of scope admin. */
export function registerKeys(program: Command, io: Io): void {
  const keys = program.command('keys').description('API keys (needs one of scope admin)')

  apiCommand(keys, 'create', 'make a key; its secret is shown this once')
    .requiredOption('--scopes <list>', 'what it may do: judge, data, train, worker, admin; with commas between')
    .option('--name <name>', 'what to call it')
    .option('--tenant <tenant>', "whose it is; only the operator's keys may name another tenant")
    .action(async ({ name, scopes, tenant, ...options }: CreateOptions) => {
      const created = await connect(io, options).keys.create({
        ...(name !== undefined && { name }),
        ...(tenant !== undefined && { tenant }),
        scopes: scopes.split(',').map((scope) => scope.trim()) as Scope[],
      })
      print(io, options, created, (k) => `${k.key}\n${k.id}, of tenant ${k.tenant}, may ${k.scopes.join(', ')}.`)
    })

  listCommand(keys, 'list', 'list keys, newest first').action(async (options: ApiOptions & { limit: number }) => {
    await printList(io, options, connect(io, options).keys.list, COLUMNS)
  })

  apiCommand(keys, 'revoke <key>', 'revoke a key, at once').action(async (id: string, options: ApiOptions) => {
    print(io, options, await connect(io, options).keys.revoke(id), (d) => `${d.id} is revoked`)
  })
}
