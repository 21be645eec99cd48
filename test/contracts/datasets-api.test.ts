import { describe, test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'
import { datasetsContract } from './datasets-api.ts'

describe('datasets, on Node', () => datasetsContract(test, testApp))
