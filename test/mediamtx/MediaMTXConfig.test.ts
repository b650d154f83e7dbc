import { describe, expect, it } from "vitest"
import { renderConfigType } from "./renderConfigType.js"

describe("MediaMTXConfig", () => {
  it("is what the field tables say", async () => {
    await expect(renderConfigType()).toMatchFileSnapshot("../../src/mediamtx/MediaMTXConfig.ts")
  })
})
