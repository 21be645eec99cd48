import { InvalidArgumentError, type Command } from 'commander'
import type { Key, KeyBudget, KeyRate, Scope } from '../core/schemas/key.ts'
import { apiCommand, connect, listCommand, type ApiOptions } from './api-command.ts'
import type { Io } from './io.ts'
import { print, printList, time, type Columns } from './output.ts'

const COLUMNS: Columns<Key> = {
  id: (k) => k.id,
  name: (k) => k.name ?? '-',
  tenant: (k) => k.tenant,
  scopes: (k) => k.scopes.join(','),
  rate: (k) => (k.rate ? `${k.rate.items}/${k.rate.seconds}s` : '-'),
  budget: (k) => (k.budget ? showBudget(k.budget) : '-'),
  created: (k) => time(k.created_at),
}

interface CreateOptions extends ApiOptions {
  name?: string
  scopes: string
  tenant?: string
  rate?: KeyRate
  budget?: KeyBudget
}

/** `600/60s`: items in so many seconds. */
function readRate(text: string): KeyRate {
  const [, items, seconds] = /^(\d{1,10})\/(\d{1,5})s?$/.exec(text) ?? []
  if (items === undefined) throw new InvalidArgumentError('Give items and seconds, such as 600/60s.')
  return { items: Number(items), seconds: Number(seconds) }
}

const UNITS = { items: 'items', tokens: 'tokens', usd: 'cost' } as const

/** `5000items/day`, `2.5usd/month`, or more than one cap: `1000000tokens,5usd/day`. */
function readBudget(text: string): KeyBudget {
  const [, caps, per] = /^(.+)\/(day|month)$/.exec(text) ?? []
  const budget: Partial<KeyBudget> = {}
  for (const cap of caps?.split(',') ?? ['']) {
    const [, amount, unit] = /^(\d+(?:\.\d+)?)(items|tokens|usd)$/.exec(cap) ?? []
    if (amount === undefined) throw new InvalidArgumentError('Give such as 5000items/day or 1000000tokens,5usd/month.')
    budget[UNITS[unit as keyof typeof UNITS]] = Number(amount)
  }
  return { ...budget, per: per as KeyBudget['per'] }
}

function showBudget(budget: KeyBudget): string {
  const caps = Object.entries(UNITS).flatMap(([unit, field]) =>
    budget[field] === undefined ? [] : `${budget[field]}${unit}`,
  )
  return `${caps.join(',')}/${budget.per}`
}

/** `gavel keys`: API keys. Needs one of scope admin. */
export function registerKeys(program: Command, io: Io): void {
  const keys = program.command('keys').description('API keys (needs one of scope admin)')

  apiCommand(keys, 'create', 'make a key; its secret is shown this once')
    .requiredOption(
      '--scopes <list>',
      'what it may do: judge, data, train, worker, metrics, admin; with commas between',
    )
    .option('--name <name>', 'what to call it')
    .option('--tenant <tenant>', "whose it is; only the operator's keys may name another tenant")
    .option('--rate <items/seconds>', 'most items it may send in a time, such as 600/60s', readRate)
    .option('--budget <budget>', 'most it may spend on judges, such as 5000items/day or 5usd/month', readBudget)
    .action(async ({ name, scopes, tenant, rate, budget, ...options }: CreateOptions) => {
      const created = await connect(io, options).keys.create({
        ...(name !== undefined && { name }),
        ...(tenant !== undefined && { tenant }),
        ...(rate && { rate }),
        ...(budget && { budget }),
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
