import { describe, test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'
import { apiContract } from './api.ts'
import { judgesContract } from './judges-api.ts'

describe('API, on Node', () => apiContract(test, testApp))
describe('judges, on Node', () => judgesContract(test, testApp))
