import { assert, describe, it } from "@effect/vitest"
import { rules } from "../../../src/workers.js"

describe("rules", () => {
  it("refuses argon2 when they are loaded, and says what would do", () => {
    const secret = "argon2:$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b3dWRWJTmaaJObG"
    assert.throws(
      () => rules({ users: [{ name: "cam", secret }], rules: [{ allow: ["publish"], users: ["cam"] }] }),
      /WebAssembly[\s\S]*sha256/
    )
  })

  it("says what is wrong with rules, and where", () => {
    assert.throws(
      () => rules({ users: [{ name: "cam", secret: "s" }], rules: [{ allow: ["publish"], users: ["kam"] }] }),
      /rules[\s\S]*did you mean cam/
    )
  })
})
