import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SqliteD1 } from './sqlite-d1.ts'

/**
 * Applies the migrations of a folder that a database lacks, in the order of their names, each in a transaction with
 * its record. The record is a table of the form that `wrangler d1 migrations apply` keeps.
 */
export async function migrate(db: SqliteD1, folder: string): Promise<void> {
  db.exec(`CREATE TABLE IF NOT EXISTS d1_migrations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`)
  const { results } = await db.prepare('SELECT name FROM d1_migrations').all()
  const applied = new Set(results.map((row) => row.name))
  const names = readdirSync(folder).filter((name) => name.endsWith('.sql') && !applied.has(name))
  for (const name of names.sort()) {
    db.exec(`${readFileSync(join(folder, name), 'utf8')};\nINSERT INTO d1_migrations (name) VALUES ('${name}')`)
  }
}
