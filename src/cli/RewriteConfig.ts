/**
 * Turns the text of an existing mediamtx.yml into one with live names only, changing no more of it than must be:
 * comments and order stay.
 */
import * as Either from "effect/Either"
import { type Document, isAlias, isMap, isScalar, Scalar, type YAMLMap } from "yaml"
import { parseConfigText } from "../mediamtx/ConfigDocument.js"
import { deprecatedGlobalFields, deprecatedPathFields } from "../mediamtx/DeprecatedFields.js"
import { stringify, type YamlValue } from "../mediamtx/Yaml.js"

export interface RewrittenConfig {
  readonly text: string
  /** False when the text had to be written anew, without its comments. */
  readonly commentsKept: boolean
  /** False when nothing had to be changed: `text` is the original, byte for byte. */
  readonly changed: boolean
}

type Json = { readonly [key: string]: unknown }

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** The text can't be edited in place; it is written anew. */
class NotEditable extends Error {}

const replacements = (fields: Readonly<Record<string, { readonly replacedBy: string | undefined }>>) =>
  new Map(Object.entries(fields).map(([name, { replacedBy }]) => [name, replacedBy]))

const globalNames = replacements(deprecatedGlobalFields)
const pathNames = replacements(deprecatedPathFields)

/** Which old names a mapping may have, by its place. */
const oldNamesAt = (at: ReadonlyArray<string>): ReadonlyMap<string, string | undefined> | undefined => {
  if (at.length === 0) return globalNames
  if (at.length === 1 && at[0] === "pathDefaults") return pathNames
  return at.length === 2 && at[0] === "paths" ? pathNames : undefined
}

/**
 * Whether a text that is read as `have` says `want`: plain equality, but that a null says the same as nothing (or, of an
 * entry of `paths`, as `{}`), except under an old name, which is not to stay.
 */
const says = (have: unknown, want: unknown, at: ReadonlyArray<string>): boolean => {
  if (Object.is(have, want)) return true
  if (have === null) return want === undefined || (isObject(want) && Object.keys(want).length === 0)
  if (Array.isArray(have)) {
    return (
      Array.isArray(want) &&
      have.length === want.length &&
      have.every((item, index) => says(item, want[index], [...at, String(index)]))
    )
  }
  if (!isObject(have) || !isObject(want)) return false
  const oldNames = oldNamesAt(at)
  return (
    Object.keys(have).every((key) => oldNames?.has(key) !== true && says(have[key], own(want, key), [...at, key])) &&
    Object.keys(want).every((key) => Object.hasOwn(have, key))
  )
}

const own = (value: Json, key: string): unknown => (Object.hasOwn(value, key) ? value[key] : undefined)

/** Makes `map`, which is read as `have`, say `want`. */
const edit = (document: Document, map: YAMLMap, have: Json, want: Json, at: ReadonlyArray<string>): void => {
  const oldNames = oldNamesAt(at)
  const present = new Set<string>()
  for (const pair of [...map.items]) {
    if (!isScalar(pair.key)) throw new NotEditable()
    const written = String(pair.key.value)
    if (written === "<<" || !Object.hasOwn(have, written)) throw new NotEditable()
    const renamed = oldNames?.get(written)
    const name =
      Object.hasOwn(want, written) || renamed === undefined || Object.hasOwn(have, renamed) || present.has(renamed)
        ? written
        : renamed
    if (!Object.hasOwn(want, name)) {
      if (have[written] === null && oldNames?.has(written) !== true) continue
      map.items.splice(map.items.indexOf(pair), 1)
      continue
    }
    present.add(name)
    if (name !== written) pair.key.value = name
    const [before, after] = [have[written], want[name]]
    if (says(before, after, [...at, name])) continue
    if (isMap(pair.value) && isObject(before) && isObject(after)) {
      edit(document, pair.value, before, after, [...at, name])
      continue
    }
    if (
      isAlias(pair.value) ||
      (pair.value !== null && typeof pair.value === "object" && "anchor" in pair.value && pair.value.anchor)
    ) {
      throw new NotEditable()
    }
    const node = document.createNode(after)
    // A comment behind the value belongs to the field.
    if (isScalar(pair.value) && isScalar(node)) node.comment = pair.value.comment ?? null
    pair.value = node
  }
  for (const [name, value] of Object.entries(want)) {
    if (present.has(name) || value === undefined) continue
    const key = new Scalar(name)
    map.items.push(document.createPair(key, value))
  }
}

const withoutUndefined = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutUndefined)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, withoutUndefined(inner)])
  )
}

const readsAs = (text: string, want: unknown): boolean => {
  const parsed = parseConfigText(text)
  return Either.isRight(parsed) && says(parsed.right.value, want, [])
}

const editInPlace = (text: string, want: Json): string | undefined => {
  // Parsed once more, because the edit changes the tree.
  const parsed = parseConfigText(text)
  if (Either.isLeft(parsed)) return undefined
  const { document, value } = parsed.right
  if (!isMap(document.contents)) return undefined
  try {
    // The tree of a parsed document is that of any document; only its types are narrower.
    edit(document as unknown as Document, document.contents as unknown as YAMLMap, value, want, [])
    const edited = document.toString({ lineWidth: 0 })
    return readsAs(edited, want) ? edited : undefined
  } catch (error) {
    if (error instanceof NotEditable) return undefined
    throw error
  }
}

/** `text` must be readable; `config` is what the validator made of it. */
export const rewriteConfig = (text: string, config: object): RewrittenConfig => {
  const want = withoutUndefined(config)
  if (!isObject(want)) throw new TypeError("a config is an object")
  if (readsAs(text, want)) return { text, commentsKept: true, changed: false }
  const edited = editInPlace(text, want)
  if (edited !== undefined) return { text: edited, commentsKept: true, changed: true }
  // Plain data that came out of YAML.
  return { text: stringify(want as YamlValue), commentsKept: !/^\s*#|\s#/m.test(text), changed: true }
}
