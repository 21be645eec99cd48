/** A reporter of node:test that prints nothing and ends the process at the first test that fails. */
import type { TestEvent } from 'node:test/reporters'

export default async function* bail(events: AsyncIterable<TestEvent>): AsyncGenerator<never> {
  for await (const event of events) {
    if (event.type === 'test:fail' && event.data.todo === undefined) process.exit(1)
  }
}
