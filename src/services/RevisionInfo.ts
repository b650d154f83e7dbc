/**
 * What is known of a revision of the fleet's config beside the config itself.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Timestamp } from "./Timestamp.js"

/** Longest name of an author, in characters. */
export const LONGEST_AUTHOR = 100
/** Longest note, in characters. */
export const LONGEST_NOTE = 2_000

/**
 * A revision without its config.
 *
 * @since 0.1.0
 * @category models
 */
export const RevisionInfo = Schema.Struct({
  /** From 1, without gaps. */
  revision: Schema.Int,
  at: Timestamp,
  /** Who made it, as they said; `files` for an edit of the config folder. */
  author: Schema.String,
  note: Schema.String,
  /**
   * - `edit`: through the API
   * - `files`: an edit of the files that the manager watches
   * - `rollback`: `restores` says what to
   * - `seed`: the first, taken over from files or from the program
   */
  origin: Schema.Literal("edit", "files", "rollback", "seed"),
  /** The revision whose config a rollback brought back. */
  restores: Schema.NullOr(Schema.Int),
  /** SHA-256 of the config, lower-case hex. Equal hashes, equal configs. */
  hash: Schema.String,
  /** What differs from the revision before. */
  changes: Schema.Struct({
    total: Schema.NonNegativeInt,
    /** The first of them, such as `base.paths.cam.record`. */
    fields: Schema.Array(Schema.String)
  })
}).annotations({ identifier: "RevisionInfo" })
/** @since 0.1.0 */
export type RevisionInfo = typeof RevisionInfo.Type
