/** What the contracts use of Node's assertions, which workerd has too; its types do not, and Node's would bring all of Node. */
declare module 'node:assert/strict' {
  interface Assert {
    ok(value: unknown, message?: string): asserts value
    equal(actual: unknown, expected: unknown, message?: string): void
    notEqual(actual: unknown, expected: unknown, message?: string): void
    deepEqual(actual: unknown, expected: unknown, message?: string): void
    match(value: string, expected: RegExp, message?: string): void
    rejects(promise: Promise<unknown>, expected?: object, message?: string): Promise<void>
  }
  const assert: Assert
  export default assert
}
