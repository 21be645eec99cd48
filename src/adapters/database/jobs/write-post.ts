import type { SQL } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'

/**
 * Runs the one statement that a worker's post is; answers whether it wrote anything.
 *
 * The rows of a post travel as one JSON parameter, which `json_each` takes apart: a post may have 1000 rows, and D1
 * allows 100 parameters. With the lease as a condition of that same statement, a post is taken whole or not at all.
 * Nothing written means that the lease is lost, unless rows may be left out: the API lets no empty post through, and a row
 * that replaces another counts as written.
 */
export async function writePost(db: DrizzleD1Database, statement: SQL): Promise<boolean> {
  const { changes } = (await db.run(statement)).meta as { changes: number }
  return changes > 0
}
