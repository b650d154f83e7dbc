/**
 * The database that a setting names: the path of a SQLite file, `:memory:`, or the URL of a PostgreSQL database, which
 * several managers may share.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as PostgresNode from "../../sql/PostgresNode.js"
import * as SqliteNode from "../../sql/SqliteNode.js"
import { isPostgres } from "./DatabaseUrl.js"

export type DatabaseError = PostgresNode.PostgresNodeError | SqliteNode.SqliteNodeError

/** Opened and migrated. */
export const layer = (database: string): Layer.Layer<SqlClient.SqlClient, DatabaseError> =>
  isPostgres(database) ? PostgresNode.layer({ url: Redacted.make(database) }) : SqliteNode.layer({ filename: database })
