import { OPERATOR_TENANT } from '../../core/schemas/key.ts'

/** The tenant whose jobs a worker with a key of `tenant` may have: its own; null for everyone's, which the operator's serve. */
export const servedBy = (tenant: string): string | null => (tenant === OPERATOR_TENANT ? null : tenant)
