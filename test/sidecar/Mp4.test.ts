import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { Mp4Error, readMp4 } from "../../src-sidecar/playback/Mp4.js"
import { type BodyPart, joinFragments, joinMp4, NotJoinable, sizeOfPart } from "../../src-sidecar/playback/Mp4Join.js"
import { box, type SyntheticTrack, syntheticMp4 } from "./support/SyntheticMp4.js"

const folder = mkdtempSync(join(tmpdir(), "mtx-mp4-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const write = (bytes: Buffer): string => {
  const path = join(folder, `${files++}.mp4`)
  writeFileSync(path, bytes)
  return path
}
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it was taken"),
    (error: unknown) => error
  )

const video: SyntheticTrack = {
  handler: "vide",
  codec: "avc1",
  timeScale: 90_000,
  each: 3_600,
  samples: 250,
  size: 40,
  gop: 50
}
const audio: SyntheticTrack = {
  handler: "soun",
  codec: "mp4a",
  timeScale: 44_100,
  each: 1_024,
  samples: 420,
  size: 7,
  gop: 1
}

const u32 = (...values: ReadonlyArray<number>) => {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4)
  return bytes
}
/** The head of a file of fragments, whose samples last 3,600 unless they say otherwise. */
const fragmentedHead = (track: SyntheticTrack): Buffer => {
  const plain = syntheticMp4([{ ...track, samples: 0 }])
  const moov = plain.indexOf("moov") - 4
  const size = plain.readUInt32BE(moov)
  const mvex = box("mvex", box("trex", u32(0, 1, 1, 3_600, 0, 0)))
  const tail = plain.subarray(moov + 4, moov + size)
  return Buffer.concat([plain.subarray(0, moov), u32(size + mvex.length), tail, mvex])
}
const fragment = (from: number, durations: ReadonlyArray<number> | number, letter = "M"): Buffer =>
  Buffer.concat([
    box(
      "moof",
      box("mfhd", u32(0, 1)),
      box(
        "traf",
        box("tfhd", u32(0x020000, 1)),
        box("tfdt", u32(0, from)),
        typeof durations === "number"
          ? box("trun", u32(1, durations, 0))
          : box("trun", u32(0x000101, durations.length, 0, ...durations))
      )
    ),
    box("mdat", Buffer.alloc(100, letter))
  ])

describe("readMp4", () => {
  it("tells how long each track is shown", async () => {
    const bytes = syntheticMp4([
      { ...video, skip: 25 },
      { ...audio, pause: 20 }
    ])
    const info = await readMp4(write(bytes))
    assert.strictEqual(info.size, bytes.length)
    assert.isFalse(info.fragmented)
    const [first, second] = info.tracks
    assert.strictEqual(first?.codec, "avc1")
    assert.strictEqual(first?.samples, 250)
    assert.closeTo(first?.end ?? 0, 9_000, 0.01)
    assert.strictEqual(second?.start, 20)
    assert.closeTo(second?.end ?? 0, 20 + (420 * 1_024) / 44.1, 1)
    assert.closeTo(info.duration, 20 + (420 * 1_024) / 44.1, 1)
  })

  it("an edit that is longer than its media shows no more than there is", async () => {
    const bytes = syntheticMp4([video])
    const edit = bytes.indexOf("elst") + 12
    bytes.writeUInt32BE(99_000, edit)
    assert.closeTo((await readMp4(write(bytes))).duration, 10_000, 0.01)
  })

  it("reads fragments", async () => {
    const bytes = Buffer.concat([fragmentedHead(video), fragment(0, 25), fragment(90_000, [3_600, 7_200, 79_200])])
    const info = await readMp4(write(bytes))
    assert.isTrue(info.fragmented)
    assert.strictEqual(info.tracks[0]?.samples, 28)
    assert.closeTo(info.duration, 2_000, 0.01)
  })

  it("a file that is cut anywhere is refused", async () => {
    const bytes = syntheticMp4([video, audio])
    await FastCheck.assert(
      FastCheck.asyncProperty(FastCheck.integer({ min: 0, max: bytes.length - 1 }), async (length) => {
        const path = write(bytes.subarray(0, length))
        assert.instanceOf(await failure(readMp4(path)), Mp4Error)
        rmSync(path)
      }),
      { numRuns: 60 }
    )
  })

  it("nonsense is refused, never a crash of another kind", async () => {
    const bytes = syntheticMp4([
      { ...video, samples: 4 },
      { ...audio, samples: 3 }
    ])
    await FastCheck.assert(
      FastCheck.asyncProperty(
        FastCheck.array(FastCheck.tuple(FastCheck.integer({ min: 0, max: bytes.length - 29 }), FastCheck.nat(255)), {
          minLength: 1,
          maxLength: 6
        }),
        async (changes) => {
          const broken = Buffer.from(bytes)
          for (const [offset, value] of changes) broken[offset] = value
          const path = write(broken)
          for (const read of [() => readMp4(path), () => joinMp4([path])]) {
            const outcome = await read().catch((error: unknown) => error)
            if (outcome instanceof Error && !(outcome instanceof NotJoinable)) assert.instanceOf(outcome, Mp4Error)
          }
          rmSync(path)
        }
      ),
      { numRuns: 300 }
    )
  })
})

const bytesOf = (parts: ReadonlyArray<BodyPart>): Buffer =>
  Buffer.concat(
    parts.map((part) => (part instanceof Uint8Array ? part : readFileSync(part.path).subarray(part.start, part.end)))
  )

describe("joinMp4", () => {
  const assembled = async (paths: ReadonlyArray<string>) => {
    const joined = await joinMp4(paths)
    const bytes = bytesOf(joined.parts)
    assert.strictEqual(bytes.length, joined.size)
    assert.strictEqual(
      joined.parts.reduce((sum, part) => sum + sizeOfPart(part), 0),
      joined.size
    )
    return { joined, bytes }
  }
  /** What each chunk offset of the tables leads to. */
  const chunks = (bytes: Buffer): ReadonlyArray<string> => {
    const found: Array<string> = []
    for (let at = bytes.indexOf("stco"); at !== -1; at = bytes.indexOf("stco", at + 4)) {
      const count = bytes.readUInt32BE(at + 8)
      for (let i = 0; i < count; i++) {
        const offset = bytes.readUInt32BE(at + 12 + i * 4)
        found.push(bytes.toString("latin1", offset, offset + 3))
      }
    }
    return found
  }

  it("shows one after the other, with every sample in its place", async () => {
    const first = write(syntheticMp4([{ ...video, skip: 25 }, audio], "AB"))
    const second = write(syntheticMp4([video, { ...audio, pause: 30 }], "CD"))
    const { bytes, joined } = await assembled([first, second])
    const info = await readMp4(write(bytes))
    assert.deepStrictEqual(chunks(bytes), ["AAA", "CCC", "BBB", "DDD"])
    assert.strictEqual(info.tracks[0]?.samples, 500)
    assert.strictEqual(info.tracks[1]?.samples, 840)
    const ends = [9_000, (420 * 1_024) / 44.1, 10_000, 30 + (420 * 1_024) / 44.1]
    const before = Math.max(ends[0] ?? 0, ends[1] ?? 0)
    assert.closeTo(info.tracks[0]?.end ?? 0, before + 10_000, 2)
    assert.closeTo(info.tracks[1]?.end ?? 0, before + (ends[3] ?? 0), 2)
    assert.closeTo(joined.duration, info.duration, 2)
  })

  it("keeps another configuration of the same codec as a second description", async () => {
    const first = write(syntheticMp4([video], "A"))
    const second = write(syntheticMp4([{ ...video, configuration: "another one!" }], "C"))
    const { bytes } = await assembled([first, second])
    const stsd = bytes.indexOf("stsd")
    assert.strictEqual(bytes.readUInt32BE(stsd + 8), 2)
    const stsc = bytes.indexOf("stsc")
    assert.deepStrictEqual(
      Array.from({ length: 6 }, (_, i) => bytes.readUInt32BE(stsc + 12 + i * 4)),
      [1, 250, 1, 2, 250, 2]
    )
    assert.closeTo((await readMp4(write(bytes))).duration, 20_000, 1)
  })

  it("of one file: corrects an edit that is too long", async () => {
    const wrong = syntheticMp4([{ ...video, skip: 25 }])
    wrong.writeUInt32BE(11_000, wrong.indexOf("elst") + 12)
    const { bytes } = await assembled([write(wrong)])
    assert.strictEqual(bytes.readUInt32BE(bytes.indexOf("elst") + 12), 9_000)
    assert.deepStrictEqual(chunks(bytes), ["AAA"])
  })

  it("fragments go on where those before them ended", async () => {
    const first = write(Buffer.concat([fragmentedHead(video), fragment(0, 25, "A"), fragment(90_000, 25, "B")]))
    const second = write(Buffer.concat([fragmentedHead(video), fragment(0, 50, "C")]))
    const joined = await joinFragments([first, second])
    const bytes = bytesOf(joined.parts)
    assert.strictEqual(bytes.length, joined.size)
    assert.closeTo(joined.duration, 4_000, 0.01)
    const info = await readMp4(write(bytes))
    assert.closeTo(info.duration, 4_000, 0.01)
    assert.strictEqual(info.tracks[0]?.samples, 100)
    const times: Array<number> = []
    for (let at = bytes.indexOf("tfdt"); at !== -1; at = bytes.indexOf("tfdt", at + 4)) {
      times.push(bytes.readUInt32BE(at + 8))
    }
    assert.deepStrictEqual(times, [0, 90_000, 180_000])
    const other = write(Buffer.concat([fragmentedHead({ ...video, configuration: "other" }), fragment(0, 1)]))
    assert.instanceOf(await failure(joinFragments([first, other])), NotJoinable)
    assert.instanceOf(await failure(joinFragments([first, write(syntheticMp4([video]))])), NotJoinable)
  })

  it("does not join what would not play", async () => {
    const plain = write(syntheticMp4([video, audio]))
    const others = [
      [video],
      [audio, video],
      [{ ...video, codec: "hvc1" }, audio],
      [{ ...video, timeScale: 1_000 }, audio]
    ]
    for (const tracks of others) {
      assert.instanceOf(await failure(joinMp4([plain, write(syntheticMp4(tracks))])), NotJoinable)
    }
  })
})
