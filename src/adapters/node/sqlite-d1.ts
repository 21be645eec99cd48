/** D1's interface over `node:sqlite`: the part of it that `drizzle-orm/d1` calls. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { GavelError } from '../../core/errors.ts'

type Value = string | number | boolean | null | Uint8Array
interface Result {
  success: true
  results: Record<string, unknown>[]
  meta: { changes: number; last_row_id: number }
}

/** Most prepared statements kept: ours are some dozens. */
const MAX_STATEMENTS = 256

export class SqliteD1 {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /** @param path a file (created when absent) or `:memory:` */
  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    // FULL: what was answered is on the disk, even when the power fails.
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000')
  }

  prepare(sql: string): SqliteD1Statement {
    return new SqliteD1Statement(this, sql, [])
  }

  /** All statements in one transaction. */
  async batch(statements: SqliteD1Statement[]): Promise<Result[]> {
    return this.#transaction(() => statements.map((statement) => statement.execute()))
  }

  /** Runs a script of several statements in one transaction. */
  exec(sql: string): void {
    this.#transaction(() => this.#db.exec(sql))
  }

  close(): void {
    this.#statements.clear()
    this.#db.close()
  }

  /** @internal a prepared statement, kept for the next time */
  statement(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear()
    const statement = this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #transaction<T>(work: () => T): T {
    return translated(() => {
      this.#db.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.#db.exec('COMMIT')
        return result
      } catch (error) {
        // A full disk has ended it already, and an error of this would hide that.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
        throw error
      }
    })
  }
}

export class SqliteD1Statement {
  readonly #db: SqliteD1
  readonly #sql: string
  readonly #params: SQLInputValue[]

  constructor(db: SqliteD1, sql: string, params: SQLInputValue[]) {
    this.#db = db
    this.#sql = sql
    this.#params = params
  }

  bind(...params: Value[]): SqliteD1Statement {
    return new SqliteD1Statement(
      this.#db,
      this.#sql,
      params.map((p) => (typeof p === 'boolean' ? Number(p) : p)),
    )
  }

  /** Synchronous; what `run`, `all` and `batch` are made of. */
  execute(): Result {
    return translated(() => {
      const statement = this.#db.statement(this.#sql)
      statement.setReturnArrays(false)
      if (statement.columns().length > 0) {
        const results = statement.all(...this.#params) as Record<string, unknown>[]
        return { success: true, results, meta: { changes: 0, last_row_id: 0 } }
      }
      const { changes, lastInsertRowid } = statement.run(...this.#params)
      return { success: true, results: [], meta: { changes: Number(changes), last_row_id: Number(lastInsertRowid) } }
    })
  }

  async run(): Promise<Result> {
    return this.execute()
  }

  async all(): Promise<Result> {
    return this.execute()
  }

  /** Rows as arrays of their columns. */
  async raw(): Promise<unknown[][]> {
    return translated(() => {
      const statement = this.#db.statement(this.#sql)
      statement.setReturnArrays(true)
      return statement.all(...this.#params) as unknown as unknown[][]
    })
  }
}

/** SQLite's primary result codes for trouble with the disk, from https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5
const SQLITE_IOERR = 10
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14

function translated<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    const code = Number((error as { errcode?: unknown }).errcode) & 0xff
    if (code === SQLITE_FULL) {
      throw new GavelError('disk_full', 'The disk of the database is full; make room and send the request again.', {
        cause: error,
      })
    }
    if (code === SQLITE_BUSY || code === SQLITE_IOERR || code === SQLITE_CANTOPEN) {
      throw new GavelError('storage_unavailable', 'The database cannot be used right now; send the request again.', {
        cause: error,
      })
    }
    throw error
  }
}
