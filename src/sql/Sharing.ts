/**
 * What services need of a database that several managers share: to be the only writer for a moment, and to hear that
 * another one has written.
 *
 * The SQL layers answer from memory. On a shared database each of them takes its turn as the writer (`alone`), reads what
 * others have written since its last turn, and only then decides: so nothing is decided on old knowledge, no write runs
 * into another one's, and what the turns write can be read in their order, without a gap, by anybody at any time.
 *
 * A layer without a Sharing is the only user of its database.
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

export interface SharingShape {
  /**
   * Runs `body` in one transaction; of all managers, only one at a time is in there under the same name. It ends when the
   * transaction is committed, and what it wrote is visible by then. Interruption waits for its end.
   */
  readonly alone: <A, E, R>(name: string, body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
  /** Tells all managers, this one as well, that something was written under this name: when the transaction is committed. */
  readonly announce: (name: string) => Effect.Effect<void, SqlError>
  /**
   * Emits when something may have been written under this name, and at least every second, whatever becomes of the
   * announcements. What comes up while the consumer is busy is one element.
   */
  readonly changes: (name: string) => Stream.Stream<void>
}

export class Sharing extends Context.Tag("mtx-manager/Sharing")<Sharing, SharingShape>() {}
