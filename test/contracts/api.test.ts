import { describe, test } from 'node:test'
import { testApp } from '../helpers/test-app.ts'
import { apiContract } from './api.ts'

describe('API, on Node', () => apiContract(test, testApp))
