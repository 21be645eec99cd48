import { describe, test } from 'vitest'
import { apiContract } from '../contracts/api.ts'
import { datasetsContract } from '../contracts/datasets-api.ts'
import { judgesContract } from '../contracts/judges-api.ts'
import { edgeApp } from './edge-app.ts'

describe('API, in workerd', () => apiContract(test, edgeApp))
describe('judges, in workerd', () => judgesContract(test, edgeApp))
describe('datasets, in workerd', () => datasetsContract(test, edgeApp))
