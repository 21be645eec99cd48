import { sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { writeProbes } from './tables.ts'

/** So much that a database without room has to ask for some: a row might find its place in an old page. */
const BYTES = 65_536

/** Writes what needs room of its own and takes it back, in one transaction. */
export async function probeWrites(db: DrizzleD1Database): Promise<void> {
  await db.batch([
    db.insert(writeProbes).values({ body: sql`zeroblob(${sql.raw(String(BYTES))})` }),
    db.delete(writeProbes),
  ])
}
