import { drizzle, type AnyD1Database } from 'drizzle-orm/d1'
import type { RewardRecipe } from '../../core/schemas/reward.ts'
import type { Database, ModelBody } from '../../service/database.ts'
import { checkpointTable } from './checkpoint-table.ts'
import { datasetTable } from './dataset-table.ts'
import { jobTable } from './job-table.ts'
import { judgeTable } from './judge-table.ts'
import { judgmentTable } from './judgment-table.ts'
import { keyTable } from './key-table.ts'
import { rateWindowsTable } from './rate-windows-table.ts'
import { resourceTable } from './resource-table.ts'
import { probeWrites } from './probe-writes.ts'
import { models, recipes } from './tables.ts'
import { uploadTable } from './upload-table.ts'
import { usageTable } from './usage-table.ts'

/** The database port over D1, or over anything of D1's shape. */
export function createDatabase(d1: AnyD1Database): Database {
  const db = drizzle(d1)
  return {
    keys: keyTable(db),
    judges: judgeTable(db),
    recipes: resourceTable<RewardRecipe>(db, recipes),
    datasets: datasetTable(db),
    uploads: uploadTable(db),
    models: resourceTable<ModelBody>(db, models),
    jobs: jobTable(db),
    checkpoints: checkpointTable(db),
    judgments: judgmentTable(db),
    usage: usageTable(db),
    rates: rateWindowsTable(db),
    probe: () => probeWrites(db),
  }
}
