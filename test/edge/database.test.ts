import { describe, test } from 'vitest'
import { databaseContract } from '../contracts/database.ts'
import { emptyDatabase } from './edge-app.ts'

describe('database, on D1', () => databaseContract(test, emptyDatabase))
