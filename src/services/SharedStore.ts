/**
 * A store that several managers share: each answers from memory, takes its turn to write, and hears what others have written.
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

export interface SharedStore<A, E> {
  /** Runs `turn` as the only one of all managers that writes; what it wrote is kept whole or not at all. */
  readonly alone: <B>(turn: Effect.Effect<B, E>) => Effect.Effect<B, E>
  /** What was written, in order, by anybody, since this was last asked. What was removed is not told. */
  readonly news: Effect.Effect<ReadonlyArray<A>, E>
  /** Emits when there may be news, in bounded time. */
  readonly changes: Stream.Stream<void>
}
