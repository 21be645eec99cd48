import { eq, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { RateWindows } from '../../service/database.ts'
import { clockTolerance } from '../../service/usage/rate-windows.ts'
import { rateWindows } from './tables.ts'

/** For many processes: each count is one statement, so that no window holds more than its limit. */
export function rateWindowsTable(db: DrizzleD1Database): RateWindows {
  const t = rateWindows
  return {
    async take(key, units, limit, windowMs, now) {
      const start = now - (now % windowMs)
      // A clock that is behind another's counts into the later window, unless it was put back.
      const counts = sql`${t.start} BETWEEN excluded.start AND excluded.start + ${clockTolerance(windowMs)}`
      const [row] = await db
        .insert(t)
        .values({ key, start, used: units })
        .onConflictDoUpdate({
          target: t.key,
          set: {
            used: sql`CASE WHEN ${counts} THEN ${t.used} ELSE 0 END + excluded.used`,
            start: sql`CASE WHEN ${counts} THEN ${t.start} ELSE excluded.start END`,
          },
          setWhere: sql`CASE WHEN ${counts} THEN ${t.used} ELSE 0 END + excluded.used <= ${limit}`,
        })
        .returning({ used: t.used })
      if (row) return { taken: true, used: row.used }
      const [full] = await db.select({ used: t.used }).from(t).where(eq(t.key, key))
      return { taken: false, used: full?.used ?? limit }
    },
  }
}
