import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { parseManagerFile } from "../../../src/adapters/node/ManagerFile.js"

const read = (storage: string, env: Record<string, string> = {}) =>
  parseManagerFile(`auth:\n  rules:\n    - allow: any\n${storage}`, "manager.yml", { clips: "/data/clips", env })
const messages = (storage: string, env?: Record<string, string>) =>
  Either.match(read(storage, env), { onLeft: ({ message }) => message, onRight: () => "" })
const kind = (storage: string, env?: Record<string, string>) => Either.getOrThrow(read(storage, env)).storage.kind

const s3 = `storage:
  kind: s3
  endpoint: https://s3.example.com
  bucket: clips
`

describe("the storage section of manager.yml", () => {
  it("is a folder when it is absent, and S3 when it says so", () => {
    assert.strictEqual(kind(""), "filesystem")
    assert.strictEqual(kind("storage:\n  kind: filesystem\n  folder: /mnt/clips\n"), "filesystem")
    assert.strictEqual(kind(`${s3}  accessKeyId: A\n  secretAccessKey: B\n  style: path\n  region: auto\n`), "s3")
  })

  it("takes secrets from the environment, which wins over the file", () => {
    const env = { MANAGER_S3_ACCESS_KEY_ID: "A", MANAGER_S3_SECRET_ACCESS_KEY: "B" }
    assert.strictEqual(kind(s3, env), "s3")
    assert.match(messages(s3), /has no accessKeyId/)
    assert.match(messages(s3), /has no secretAccessKey/)
    assert.match(messages(s3), /MANAGER_S3_SECRET_ACCESS_KEY/)
  })

  it("names what is wrong, with what would be right, at its line, and no value", () => {
    const text = messages(`${s3}  accesKeyId: A\n  secretAccessKey: "sssh"\n  style: sideways\n  publicUrl: nowhere\n`)
    assert.match(text, /manager\.yml:8:\d+/)
    assert.include(text, "accessKeyId")
    assert.match(text, /path or virtual/)
    assert.match(text, /publicUrl/)
    assert.notInclude(text.replaceAll(/^.*\|.*$/gm, ""), "sssh")
    assert.match(messages("storage:\n  kind: s4\n  bucket: clips\n"), /s3/)
    assert.match(messages("storage: here\n"), /is not a section/)
    assert.match(messages("storage:\n  bucket: clips\n"), /has no kind/)
    assert.match(messages("storge:\n  kind: s3\n"), /storage/)
  })
})
