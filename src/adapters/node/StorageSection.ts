/**
 * The `storage:` section of a `manager.yml`: where clips go. Without it they go into the data folder.
 *
 * Secrets may stand in the environment instead: `MANAGER_S3_ACCESS_KEY_ID`, `MANAGER_S3_SECRET_ACCESS_KEY` and
 * `MANAGER_S3_SESSION_TOKEN` win over the file.
 */
import * as Either from "effect/Either"
import { type ConfigIssue, makeIssue } from "../../mediamtx/ConfigIssue.js"
import { didYouMean } from "../../mediamtx/DidYouMean.js"
import { unknownKeys } from "../../mediamtx/UnknownKeys.js"
import { s3 } from "../../services/ObjectStorage/S3Storage.js"
import type { Storage } from "../../services/ObjectStorage.js"
import { filesystem } from "./FilesystemStorage.js"

/** The environment's part. */
export type Environment = Readonly<Record<string, string | undefined>>

interface Field {
  readonly name: string
  readonly expected: string
  readonly needed: boolean
  readonly variable?: string
  readonly check: (value: unknown) => boolean
}

const text = (value: unknown): boolean => typeof value === "string" && value !== ""
const url = (value: unknown): boolean => typeof value === "string" && /^https?:\/\/[^@?#\s]+$/.test(value)
const prefix = (value: unknown): boolean => typeof value === "string"

const kinds: Readonly<Record<string, ReadonlyArray<Field>>> = {
  filesystem: [
    { name: "folder", expected: "a folder; default: clips, in the data folder", needed: false, check: text },
    { name: "prefix", expected: "text such as recordings/", needed: false, check: prefix }
  ],
  s3: [
    {
      name: "endpoint",
      expected: "a URL such as https://s3.eu-central-1.amazonaws.com, without the bucket",
      needed: true,
      check: url
    },
    { name: "bucket", expected: "the name of a bucket", needed: true, check: text },
    {
      name: "accessKeyId",
      expected: "the id of an access key, here or in MANAGER_S3_ACCESS_KEY_ID",
      needed: true,
      variable: "MANAGER_S3_ACCESS_KEY_ID",
      check: text
    },
    {
      name: "secretAccessKey",
      expected: "its secret, here or in MANAGER_S3_SECRET_ACCESS_KEY",
      needed: true,
      variable: "MANAGER_S3_SECRET_ACCESS_KEY",
      check: text
    },
    {
      name: "sessionToken",
      expected: "the token of temporary credentials",
      needed: false,
      variable: "MANAGER_S3_SESSION_TOKEN",
      check: text
    },
    { name: "prefix", expected: "text such as recordings/", needed: false, check: prefix },
    { name: "region", expected: "a region such as eu-central-1", needed: false, check: text },
    {
      name: "style",
      expected: "path or virtual",
      needed: false,
      check: (value) => value === "path" || value === "virtual"
    },
    { name: "publicUrl", expected: "a URL such as https://clips.example.com", needed: false, check: url }
  ]
}

const error = (
  rule: string,
  field: ReadonlyArray<string>,
  message: string,
  expected: string,
  suggestion?: string | undefined
): ConfigIssue => makeIssue({ severity: "error", rule, field, message, expected, suggestion })

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Reads the section. `folder` is where clips go by default. Values are never repeated: they may be secrets. */
export const decodeStorage = (
  value: unknown,
  options: { readonly folder: string; readonly env: Environment }
): Either.Either<Storage, ReadonlyArray<ConfigIssue>> => {
  if (value === undefined || value === null) return Either.right(filesystem({ folder: options.folder }))
  if (!isRecord(value)) {
    return Either.left([error("type", ["storage"], "is not a section", "kind and what belongs to it")])
  }
  const names = Object.keys(kinds)
  const { kind } = value
  if (typeof kind !== "string" || kinds[kind] === undefined) {
    return Either.left([
      error(
        kind === undefined ? "missing" : "value",
        kind === undefined ? ["storage"] : ["storage", "kind"],
        kind === undefined ? "has no kind" : "is not a kind of storage",
        names.join(" or "),
        typeof kind === "string" ? didYouMean(kind, names) : undefined
      )
    ])
  }
  const fields = kinds[kind] ?? []
  const known = ["kind", ...fields.map(({ name }) => name)]
  const issues: Array<ConfigIssue> = [...unknownKeys(value, known, ["storage"])]
  const given: Record<string, string> = {}
  for (const { check, expected, name, needed, variable } of fields) {
    const fromEnvironment = variable === undefined ? undefined : options.env[variable]
    const found = fromEnvironment !== undefined && fromEnvironment !== "" ? fromEnvironment : value[name]
    if (found === undefined) {
      if (needed) issues.push(error("missing", ["storage"], `has no ${name}`, expected))
    } else if (typeof found === "string" && check(found)) given[name] = found
    else issues.push(error("value", ["storage", name], "is not valid", expected))
  }
  if (issues.length > 0) return Either.left(issues)
  const { accessKeyId = "", bucket = "", endpoint = "", publicUrl, region, secretAccessKey = "", sessionToken } = given
  if (kind === "filesystem") {
    return Either.right(filesystem({ folder: given["folder"] ?? options.folder, prefix: given["prefix"] }))
  }
  const { style } = given
  return Either.right(
    s3({
      endpoint,
      bucket,
      credentials: { accessKeyId, secretAccessKey, sessionToken },
      prefix: given["prefix"],
      region,
      style: style === "path" || style === "virtual" ? style : undefined,
      publicUrl
    })
  )
}
