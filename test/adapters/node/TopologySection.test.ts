import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { parseManagerFile } from "../../../src/adapters/node/ManagerFile.js"

const read = (text: string) => parseManagerFile(text, "manager.yml", { env: {} })
const message = (text: string) => Either.match(read(text), { onLeft: (error) => error.message, onRight: () => "" })

describe("addresses, groups and locator of manager.yml", () => {
  it("are nothing when they are absent", () => {
    assert.deepStrictEqual(Either.getOrThrow(read("")).topology, {
      addresses: {},
      groups: [],
      locator: { access: "policy", prefer: "readers", nearHeader: undefined }
    })
  })

  it("are read with their defaults", () => {
    const { topology } = Either.getOrThrow(
      read(`addresses:
  a: 10.0.0.5
groups:
  - name: pair
    primary: a
    fallbacks: [b]
    returnAfter: 1m30s
  - name: world
    origins: [a]
    edges: role=edge
    onDemand: no
locator:
  access: key
`)
    )
    assert.deepStrictEqual(topology.groups, [
      {
        kind: "mirror",
        name: "pair",
        primary: "a",
        fallbacks: ["b"],
        fallback: "takeover",
        paths: undefined,
        onDemand: false,
        failoverMillis: 0,
        returnMillis: 90_000
      },
      {
        kind: "edges",
        name: "world",
        origins: ["a"],
        edges: "role=edge",
        paths: undefined,
        onDemand: false,
        failoverMillis: 0,
        returnMillis: 60_000
      }
    ] as never)
    assert.strictEqual(topology.locator.access, "key")
  })

  it("say what is wrong at its line, and what would be right", () => {
    const text = message(`groups:
  - name: pair
    primary: a
    falbacks: [b]
locator:
  acess: open
`)
    assert.match(text, /manager\.yml:4:5: error: groups\[0\]\.falbacks/)
    assert.include(text, "fallbacks")
    assert.match(text, /manager\.yml:6:3: error: locator\.acess/)
    // What the group needs is asked for where it is missing.
    const unreachable = message("groups:\n  - name: pair\n    primary: a\n    fallbacks: [b]\n")
    assert.match(unreachable, /manager\.yml:3:\d+: error: groups\[0\]\.primary/)
    assert.include(unreachable, "addresses: {a: {address: HOST}}")
  })
})
