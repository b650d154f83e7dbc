/**
 * Paths whose names flow into types: `path({})`, `path("name", {})`, `path(regex("dynamic_(.*)"), {})`.
 *
 * ```ts
 * const paths = {
 *   fixed: path({}),                              // named by its key
 *   static: path("static_path", {}),              // named by the text
 *   dynamic: path(regex("dynamic_(.*)"), {})      // `~^dynamic_(.*)$`
 * }
 * type Name = PathNameOf<typeof paths>            // "fixed" | "static_path" | `${string}dynamic_${string}`
 * ```
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { MediaMTXConfig, PathConfig } from "./MediaMTXConfig.js"
import { isCatchAll, pathNameProblem } from "./PathName.js"
import { re2Problem } from "./Re2.js"

const TypeId: unique symbol = Symbol.for("mtx-manager/TypedPath")

/**
 * A path with its name: `Name` is the type of the names it can be reached by; `undefined` for a path named by its key.
 *
 * @since 0.1.0
 * @category models
 */
export interface TypedPath<out Name extends string | undefined = string | undefined> {
  readonly [TypeId]: { readonly _Name: (_: never) => Name }
  /** MediaMTX's key for it (`~...` for a regular expression); undefined when it is named by its key. */
  readonly name: string | undefined
  readonly config: PathConfig
}

/**
 * Anything with a type for the texts it matches: a `Regex` of arkregex, or a plain `RegExp` (then the name is `string`).
 *
 * @since 0.1.0
 * @category models
 */
export interface PathPattern<out Name extends string = string> {
  readonly source: string
  readonly flags: string
  /** The type of what it matches, as arkregex has it. Never there at run time. */
  readonly infer?: Name
}

/**
 * A name or pattern that MediaMTX would refuse, found before any node sees it.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidPath extends Schema.TaggedError<InvalidPath>()("InvalidPath", {
  /** The name or pattern as it was given. */
  path: Schema.String,
  message: Schema.String,
  expected: Schema.String
}) {}

const make = <Name extends string | undefined>(name: string | undefined, config: PathConfig): TypedPath<Name> => ({
  [TypeId]: { _Name: (never) => never },
  name,
  config
})

/** JavaScript's flags that RE2 has as a prefix of the pattern. */
const translatable = new Set(["i", "m", "s"])

/** Whether `|` stands outside every group: `^a|b$` would mean something else than `^(?:a|b)$`. */
const hasTopLevelAlternative = (source: string): boolean => {
  let depth = 0
  let inClass = false
  for (let i = 0; i < source.length; i++) {
    const char = source[i]
    if (char === "\\") i++
    else if (inClass) inClass = char !== "]"
    else if (char === "[") inClass = true
    else if (char === "(") depth++
    else if (char === ")") depth--
    else if (char === "|" && depth === 0) return true
  }
  return false
}

/**
 * A JavaScript pattern as the name of a path: anchored at both ends, because `path(regex("cam_(.*)"))` means names that
 * are `cam_...`, not names that have it somewhere.
 *
 * @throws InvalidPath for look-around, back-references and flags that RE2 has not.
 * @since 0.1.0
 * @category conversions
 */
export const patternPathName = (pattern: PathPattern): string => {
  const { flags, source } = pattern
  const foreign = [...flags].filter((flag) => !translatable.has(flag) && flag !== "u" && flag !== "d")
  if (foreign.length > 0) {
    throw new InvalidPath({
      path: `/${source}/${flags}`,
      message: `the flag ${foreign.join(", ")} has no meaning for the name of a path`,
      expected: "no flags, or i, m, s"
    })
  }
  const prefix = [...flags].filter((flag) => translatable.has(flag)).join("")
  const whole = source.startsWith("^") && source.endsWith("$") && !source.endsWith("\\$")
  const body =
    whole && !hasTopLevelAlternative(source)
      ? source
      : hasTopLevelAlternative(source)
        ? `^(?:${source})$`
        : `${source.startsWith("^") ? "" : "^"}${source}${source.endsWith("$") && !source.endsWith("\\$") ? "" : "$"}`
  const text = prefix === "" ? body : `(?${prefix})${body}`
  const problem = re2Problem(text)
  if (problem !== undefined) {
    throw new InvalidPath({
      path: `/${source}/${flags}`,
      message: `MediaMTX can't use this pattern: ${problem.message}`,
      expected: problem.expected
    })
  }
  return `~${text}`
}

/**
 * Declares a path.
 *
 * @throws InvalidPath for a name or pattern that MediaMTX refuses.
 * @example
 * ```ts
 * import { path } from "@livecams/mtx-manager"
 * import { regex } from "arkregex"
 *
 * const paths = {
 *   cam: path({ record: true }),
 *   other: path("yard/north", {}),
 *   guests: path(regex("guest_(.*)"), { maxReaders: 3 })
 * }
 * ```
 * @since 0.1.0
 * @category constructors
 */
export const path: {
  (config: PathConfig): TypedPath<undefined>
  <const Name extends string>(name: Name, config: PathConfig): TypedPath<Name>
  <const Name extends string>(pattern: PathPattern<Name>, config: PathConfig): TypedPath<Name>
} = <Name extends string>(
  first: PathConfig | Name | PathPattern<Name>,
  second?: PathConfig
  // The overloads above are the truth; each branch gives the name type that its overload states.
): TypedPath<never> => {
  if (second === undefined) {
    if (typeof first === "string" || isPattern(first)) {
      throw new InvalidPath({
        path: String(first),
        message: "a path with a name needs its config as second argument",
        expected: 'path("name", {})'
      })
    }
    return make(undefined, first)
  }
  if (typeof first === "string") {
    const problem = pathNameProblem(first)
    if (problem !== undefined) {
      throw new InvalidPath({ path: first, message: problem.message, expected: problem.expected })
    }
    return make(first, second)
  }
  if (isPattern(first)) return make(patternPathName(first), second)
  throw new InvalidPath({
    path: String(first),
    message: "the first of two arguments is the name of the path",
    expected: 'a text, or a regular expression: path("name", {}), path(regex("cam_(.*)"), {})'
  })
}

const isPattern = (value: object): value is PathPattern => value instanceof RegExp

/**
 * Whether a value was made by {@link path}.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTypedPath = (value: unknown): value is TypedPath =>
  typeof value === "object" && value !== null && TypeId in value

/**
 * `paths` of a config, each entry plain or made by {@link path}.
 *
 * @since 0.1.0
 * @category models
 */
export type TypedPaths = Readonly<Record<string, PathConfig | TypedPath | null>>

/**
 * A config whose paths may be typed.
 *
 * @since 0.1.0
 * @category models
 */
export type TypedConfig<Paths extends TypedPaths = TypedPaths> = Omit<MediaMTXConfig, "paths"> & {
  readonly paths?: Paths | undefined
}

/** A plain entry: `all_others` and `~...` match more than their key says. */
type PlainName<Key> = Key extends "all" | "all_others" | `~${string}` ? string : Key

/**
 * The names by which a config's paths can be reached. `string` as soon as one entry matches by a pattern without a type.
 *
 * @since 0.1.0
 * @category models
 */
export type PathNameOf<Paths> = {
  [Key in keyof Paths & string]: Paths[Key] extends TypedPath<infer Name>
    ? Name extends string
      ? Name
      : PlainName<Key>
    : PlainName<Key>
}[keyof Paths & string]

/**
 * The plain config that MediaMTX knows.
 *
 * @throws InvalidPath when two entries have the same name, or a key can't be a name.
 * @since 0.1.0
 * @category conversions
 */
export const plainConfig = (config: TypedConfig): MediaMTXConfig => {
  if (config.paths === undefined) return config as MediaMTXConfig // Without `paths` the two types are the same.
  const paths: Record<string, PathConfig | null> = Object.create(null)
  for (const [key, entry] of Object.entries(config.paths)) {
    const name = isTypedPath(entry) ? (entry.name ?? key) : key
    if (name in paths) {
      throw new InvalidPath({
        path: name,
        message: `two entries of paths have the name ${JSON.stringify(name)}`,
        expected: "each name once"
      })
    }
    if (isTypedPath(entry) && !isCatchAll(name)) {
      const problem = pathNameProblem(name)
      if (problem !== undefined) {
        throw new InvalidPath({ path: name, message: problem.message, expected: problem.expected })
      }
    }
    paths[name] = isTypedPath(entry) ? entry.config : entry
  }
  return { ...config, paths }
}
