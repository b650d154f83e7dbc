/**
 * How viewers are sent to nodes.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { type ConfigIssue, makeIssue } from "../mediamtx/ConfigIssue.js"
import { didYouMean } from "../mediamtx/DidYouMean.js"

/**
 * Who may ask where a stream is:
 *
 * - `policy`: whoever the auth policy lets read it, with the credentials and the address that come with the question
 * - `key`: whoever has the admin key: an app that asks for its users
 * - `open`: everybody. Nodes still ask the policy when the viewer gets there
 *
 * @since 0.1.0
 * @category models
 */
export const locatorAccess = ["policy", "key", "open"] as const
/** @since 0.1.0 */
export type LocatorAccess = (typeof locatorAccess)[number]

/**
 * What counts first among nodes that have the stream.
 *
 * @since 0.1.0
 * @category models
 */
export const locatorPreferences = ["readers", "near"] as const
/** @since 0.1.0 */
export type LocatorPreference = (typeof locatorPreferences)[number]

/**
 * @since 0.1.0
 * @category models
 */
export interface LocatorSettings {
  readonly access: LocatorAccess
  readonly prefer: LocatorPreference
  /** A header, in lower case, that says where the viewer is: `cf-ipcountry`. Only where a proxy in front always sets it. */
  readonly nearHeader: string | undefined
}

/**
 * The settings as they are written.
 *
 * @since 0.1.0
 * @category models
 */
export interface LocatorInput {
  readonly access?: LocatorAccess | undefined
  readonly prefer?: LocatorPreference | undefined
  readonly nearHeader?: string | undefined
}

/** @since 0.1.0 */
export const defaultLocator: LocatorSettings = { access: "policy", prefer: "readers", nearHeader: undefined }

const fields = ["access", "prefer", "nearHeader"]

/**
 * Reads the settings from plain data, or says all that is wrong with them.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeLocator = (
  value: unknown,
  defaults: LocatorSettings = defaultLocator,
  at: ReadonlyArray<string> = ["locator"]
): Either.Either<LocatorSettings, ReadonlyArray<ConfigIssue>> => {
  if (value === undefined || value === null) return Either.right(defaults)
  const issues: Array<ConfigIssue> = []
  const error = (field: ReadonlyArray<string>, message: string, expected: string, suggestion?: string | undefined) =>
    issues.push(
      makeIssue({ severity: "error", rule: "locator", field: [...at, ...field], message, expected, suggestion })
    )
  if (typeof value !== "object" || Array.isArray(value)) {
    error([], "is not an object", `an object with ${fields.join(", ")}`)
    return Either.left(issues)
  }
  for (const key of Object.keys(value)) {
    if (!fields.includes(key)) {
      error([key], "is not known here", `one of ${fields.join(", ")}`, didYouMean(key, fields))
    }
  }
  const given = value as { readonly [K in keyof LocatorSettings]?: unknown }
  const access = given.access ?? defaults.access
  const prefer = given.prefer ?? defaults.prefer
  const nearHeader = given.nearHeader ?? defaults.nearHeader
  const knownAccess = locatorAccess.find((each) => each === access)
  const knownPreference = locatorPreferences.find((each) => each === prefer)
  if (knownAccess === undefined) error(["access"], "is no such access", locatorAccess.join(", "))
  if (knownPreference === undefined) error(["prefer"], "is no such preference", locatorPreferences.join(", "))
  const header = typeof nearHeader === "string" ? nearHeader.toLowerCase() : undefined
  if (nearHeader !== undefined && (header === undefined || !/^[a-z0-9-]{1,64}$/.test(header))) {
    error(["nearHeader"], "is not the name of a header", "such as cf-ipcountry")
  }
  if (issues.length > 0 || knownAccess === undefined || knownPreference === undefined) return Either.left(issues)
  return Either.right({ access: knownAccess, prefer: knownPreference, nearHeader: header })
}
