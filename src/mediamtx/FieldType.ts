/**
 * The type of a config field: a fast check for whole configs and an Effect Schema for everything else, made from one
 * predicate so that they can't disagree.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { didYouMean } from "./DidYouMean.js"

/**
 * What is wrong with a value, seen from that value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Problem {
  /** Keys below the value; empty when it is the value itself. */
  readonly at: ReadonlyArray<string>
  readonly rule: string
  readonly message: string
  readonly expected: string
  readonly suggestion?: string | undefined
}

/**
 * `undefined` when all is well: nothing is allocated for good values.
 *
 * @since 0.1.0
 * @category models
 */
export type Check = (value: unknown) => ReadonlyArray<Problem> | undefined

/**
 * @since 0.1.0
 * @category models
 */
export interface FieldType<A> {
  /** For people and docs: `duration`, `list of IP or CIDR`. */
  readonly name: string
  /** The JSON type that MediaMTX's own API names for it. */
  readonly json: "boolean" | "integer" | "number" | "string" | "array" | "object"
  /** How {@link MediaMTXConfig} spells it. */
  readonly typescript: string
  readonly schema: Schema.Schema<A>
  readonly check: Check
  /**
   * What the loader makes of an explicit null where no pointer is behind the field (top level and `pathDefaults`; in
   * `paths` a null is always "not set"): `unset` leaves the default, `empty` reads as if it were "", `refused` is an error.
   */
  readonly onNull: "unset" | "empty" | "refused"
  /** Values must not be printed. */
  readonly secret: boolean
  /**
   * What MediaMTX makes of a valid value, as plain data: values of other spelling that mean the same (`60s`, `1m`) give
   * equal data. Absent: the value itself.
   */
  readonly meaning?: ((value: unknown) => unknown) | undefined
}

/**
 * A field type whose values are not known statically.
 *
 * @since 0.1.0
 * @category models
 */
export interface AnyFieldType extends Omit<FieldType<unknown>, "schema"> {
  readonly schema: Schema.Schema.AnyNoContext
}

/**
 * The TypeScript type of the values of a field type.
 *
 * @since 0.1.0
 * @category models
 */
export type ValueOf<T> = T extends { readonly schema: Schema.Schema<infer A> } ? A : never

/**
 * Names a value in a message: `the text "abc"`, `the number 10`.
 *
 * @since 0.1.0
 * @category formatting
 */
export const describe = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  switch (typeof value) {
    case "string":
      return `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)}`
    case "number":
      return `the number ${value}`
    case "boolean":
      return String(value)
    case "object":
      return "an object"
    default:
      return `a ${typeof value}`
  }
}

/** For secrets. A password of digits that lacks its quotes is a number, and no less secret. */
const kindOnly = (value: unknown): string =>
  typeof value === "string" ? "a text" : typeof value === "number" ? "a number" : describe(value)

/**
 * @since 0.1.0
 * @category constructors
 */
export const problem = (
  rule: string,
  message: string,
  expected: string,
  suggestion?: string | undefined
): ReadonlyArray<Problem> => [{ at: [], rule, message, expected, suggestion }]

const under = (key: string, problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> =>
  problems.map((found) => ({ ...found, at: [key, ...found.at] }))

const filterBy =
  (check: Check) =>
  (value: unknown): ReadonlyArray<Schema.FilterIssue> =>
    (check(value) ?? []).map((found) => ({
      path: found.at,
      message: `${found.message}; expected ${found.expected}`
    }))

/**
 * True or false. The loader takes neither "yes" in quotes nor 0 and 1.
 *
 * @since 0.1.0
 * @category types
 */
export const boolean: FieldType<boolean> = {
  name: "boolean",
  json: "boolean",
  typescript: "boolean",
  schema: Schema.Boolean,
  check: (value) => {
    if (typeof value === "boolean") return undefined
    const text = typeof value === "string" ? value.toLowerCase() : undefined
    const meant =
      text === undefined
        ? undefined
        : ["yes", "true", "on"].includes(text)
          ? "true"
          : ["no", "false", "off"].includes(text)
            ? "false"
            : undefined
    return problem("wrong-type", `is ${describe(value)}`, "true or false", meant)
  },
  onNull: "unset",
  secret: false
}

const numeric = (
  name: string,
  json: "integer" | "number",
  accepts: (value: number) => boolean,
  expected: string
): FieldType<number> => {
  const check: Check = (value) => {
    if (typeof value === "number" && accepts(value)) return undefined
    const meant = typeof value === "string" && value.trim() !== "" && accepts(Number(value)) ? value.trim() : undefined
    return problem("wrong-type", `is ${describe(value)}`, expected, meant)
  }
  return {
    name,
    json,
    typescript: "number",
    schema: Schema.Number.pipe(Schema.filter(filterBy(check))),
    check,
    onNull: "unset",
    secret: false
  }
}

/**
 * A whole number.
 *
 * @since 0.1.0
 * @category types
 */
export const int = numeric("integer", "integer", Number.isSafeInteger, "a whole number, without quotes")

/**
 * A whole number that is not negative.
 *
 * @since 0.1.0
 * @category types
 */
export const uint = numeric(
  "unsigned integer",
  "integer",
  (value) => Number.isSafeInteger(value) && value >= 0,
  "a whole number, 0 or more, without quotes"
)

/**
 * A finite number.
 *
 * @since 0.1.0
 * @category types
 */
export const float = numeric("number", "number", Number.isFinite, "a number, without quotes")

/**
 * Makes a field type of text from a predicate that says what is wrong.
 *
 * @since 0.1.0
 * @category constructors
 */
export const textWith = (options: {
  readonly name: string
  readonly expected: string
  readonly onNull?: "unset" | "empty" | "refused"
  readonly secret?: boolean
  /** A value that a number was likely meant to be: 10 becomes "10s". */
  readonly fromNumber?: (value: number) => string
  /** See {@link FieldType.meaning}. */
  readonly meaning?: (value: string) => unknown
  readonly check: (value: string) => ReadonlyArray<Problem> | undefined
}): FieldType<string> => {
  const show = options.secret === true ? kindOnly : describe
  const { meaning } = options
  const check: Check = (value) =>
    typeof value === "string"
      ? options.check(value)
      : problem(
          "wrong-type",
          `is ${show(value)}`,
          options.expected,
          typeof value === "number" && options.secret !== true
            ? JSON.stringify((options.fromNumber ?? String)(value))
            : undefined
        )
  return {
    name: options.name,
    json: "string",
    typescript: "string",
    schema: Schema.String.pipe(Schema.filter(filterBy(check))),
    check,
    onNull: options.onNull ?? "unset",
    secret: options.secret ?? false,
    ...(meaning !== undefined && { meaning: (value: unknown) => meaning(String(value)) })
  }
}

/**
 * Any text.
 *
 * @since 0.1.0
 * @category types
 */
export const text: FieldType<string> = {
  ...textWith({ name: "text", expected: "a text in quotes", check: () => undefined }),
  schema: Schema.String
}

/**
 * Any text that must not be shown: tokens, passphrases.
 *
 * @since 0.1.0
 * @category types
 */
export const secretText: FieldType<string> = {
  ...textWith({ name: "secret text", expected: "a text in quotes", secret: true, check: () => undefined }),
  schema: Schema.String
}

/**
 * One of a few words, in exact case.
 *
 * @since 0.1.0
 * @category constructors
 */
export const literal = <const Words extends readonly [string, ...Array<string>]>(
  options: { readonly name: string; readonly typescript: string; readonly onNull?: "unset" | "refused" },
  words: Words
): FieldType<Words[number]> & { readonly words: Words } => {
  const known: ReadonlySet<string> = new Set(words)
  const expected = `one of ${words.map((word) => JSON.stringify(word)).join(", ")}`
  const check: Check = (value) => {
    if (typeof value === "string") {
      if (known.has(value)) return undefined
      const near = didYouMean(value, words)
      return problem(
        "unknown-value",
        `is ${describe(value)}`,
        expected,
        near === undefined ? undefined : JSON.stringify(near)
      )
    }
    // An unquoted `no` is a boolean for MediaMTX, which then refuses it here.
    const meant =
      value === false && known.has("no") ? '"no"' : value === false && known.has("off") ? '"off"' : undefined
    return problem("wrong-type", `is ${describe(value)}`, expected, meant)
  }
  return {
    name: options.name,
    json: "string",
    typescript: options.typescript,
    schema: Schema.Literal<Words>(...words),
    check,
    onNull: options.onNull ?? "unset",
    secret: false,
    words
  }
}

/**
 * A list. Null for it is an error in the loader, unlike an empty list.
 *
 * @since 0.1.0
 * @category constructors
 */
export const list = <A>(
  item: FieldType<A>,
  options?: {
    readonly name?: string
    readonly check?: (value: ReadonlyArray<unknown>) => ReadonlyArray<Problem> | undefined
    /** MediaMTX keeps it as a set: neither order nor repetition means anything. */
    readonly unordered?: boolean
  }
): FieldType<ReadonlyArray<A>> => {
  const name = options?.name ?? `list of ${item.name}`
  const own = options?.check
  const check: Check = (value) => {
    if (!Array.isArray(value)) return problem("wrong-type", `is ${describe(value)}`, `a ${name}; [] for none`)
    let problems: ReadonlyArray<Problem> | undefined
    for (let index = 0; index < value.length; index++) {
      const found = item.check(value[index])
      if (found !== undefined) problems = [...(problems ?? []), ...under(String(index), found)]
    }
    return problems ?? own?.(value)
  }
  const schema = Schema.Array(item.schema)
  return {
    name,
    json: "array",
    typescript: `ReadonlyArray<${item.typescript}>`,
    schema:
      own === undefined
        ? schema
        : schema.pipe(
            Schema.filter((value: ReadonlyArray<A>) =>
              (own(value) ?? []).map((found) => ({
                path: found.at,
                message: `${found.message}; expected ${found.expected}`
              }))
            )
          ),
    check,
    onNull: "refused",
    secret: item.secret,
    meaning: (value) => {
      const items = Array.isArray(value) ? value.map((each) => item.meaning?.(each) ?? each) : []
      return options?.unordered === true ? [...new Set(items)].sort() : items
    }
  }
}

/** What stands in the struct behind a field that was not given. */
const zero = (type: AnyFieldType): unknown =>
  type.json === "boolean"
    ? false
    : type.json === "integer" || type.json === "number"
      ? 0
      : type.json === "array"
        ? []
        : type.json === "object"
          ? {}
          : ""

/**
 * @since 0.1.0
 * @category models
 */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * A field that the loader does not know is an error there, so it is one here, with the nearest name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unknownField = (name: string, known: Iterable<string>): Problem => ({
  at: [name],
  rule: "unknown-field",
  message: "is not a field of MediaMTX",
  expected: "a known field, in exact case",
  suggestion: didYouMean(name, known)
})

/**
 * An object with a fixed set of optional fields.
 *
 * @since 0.1.0
 * @category constructors
 */
export const record = <const Fields extends { readonly [name: string]: AnyFieldType }>(
  options: {
    readonly name: string
    readonly typescript: string
    readonly check?: (value: Readonly<Record<string, unknown>>) => ReadonlyArray<Problem> | undefined
  },
  fields: Fields
): FieldType<{ readonly [K in keyof Fields]?: ValueOf<Fields[K]> | undefined }> & { readonly fields: Fields } => {
  const names = Object.keys(fields)
  const known = new Map<string, AnyFieldType>(Object.entries(fields))
  const own = options.check
  const check: Check = (value) => {
    if (!isObject(value))
      return problem("wrong-type", `is ${describe(value)}`, `a ${options.name} with ${names.join(", ")}`)
    let problems: ReadonlyArray<Problem> | undefined
    for (const key in value) {
      const item = value[key]
      if (item === undefined) continue
      const type = known.get(key)
      if (type === undefined) {
        problems = [...(problems ?? []), unknownField(key, names)]
        continue
      }
      if (item === null && type.onNull !== "refused") continue
      const found = type.check(item)
      if (found !== undefined) problems = [...(problems ?? []), ...under(key, found)]
    }
    return problems ?? own?.(value)
  }
  const shape: Record<string, Schema.PropertySignature.All> = {}
  for (const [name, type] of known) shape[name] = Schema.optional(type.schema)
  const struct = Schema.Struct(shape)
  const schema =
    own === undefined
      ? struct
      : struct.pipe(
          Schema.filter((value) =>
            (own(value) ?? []).map((found) => ({
              path: found.at,
              message: `${found.message}; expected ${found.expected}`
            }))
          )
        )
  return {
    name: options.name,
    json: "object",
    typescript: options.typescript,
    // The struct was built from exactly these fields, key by key; TypeScript can't follow the loop.
    schema: schema as unknown as Schema.Schema<{ readonly [K in keyof Fields]?: ValueOf<Fields[K]> | undefined }>,
    check,
    onNull: "unset",
    secret: [...known.values()].some((type) => type.secret),
    meaning: (value) => {
      const given = isObject(value) ? value : {}
      return Object.fromEntries(
        [...known].map(([name, type]) => {
          const item = given[name] ?? zero(type)
          return [name, type.meaning?.(item) ?? item]
        })
      )
    },
    fields
  }
}
