/**
 * A stand-in for MediaMTX's playback server, for machines without it: one endless recording of H.264 and AAC at 2 Mbit/s.
 *
 * `/get` answers as the real one does with `format=mp4`: no length, the tables of all samples first, then the media, written
 * sample by sample.
 */
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:http"

const FPS = 25
const GOP = 50
/** Bytes of a second's frames, the first of a group being larger, and of an audio sample. */
const KEY_FRAME = 40_000
const FRAME = 9_400
const AUDIO = 170
const AUDIO_RATE = 48_000
const AUDIO_SAMPLES = 47

const words = (values) => {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value >>> 0, i * 4)
  })
  return bytes
}
const u32 = (...values) => words(values)
const text = (value) => Buffer.from(value, "latin1")
const box = (type, ...body) => {
  const all = Buffer.concat(body)
  return Buffer.concat([u32(all.length + 8), text(type), all])
}
const full = (type, ...body) => box(type, u32(0), ...body)

const frame = (i) => (i % GOP === 0 ? KEY_FRAME : FRAME)

/** Both tracks, a chunk for each second of each. */
const head = (seconds) => {
  const video = Array.from({ length: seconds * FPS }, (_, i) => frame(i))
  const tracks = [
    { id: 1, handler: "vide", codec: "avc1", scale: 90_000, each: 3_600, sizes: video, perChunk: FPS },
    {
      id: 2,
      handler: "soun",
      codec: "mp4a",
      scale: AUDIO_RATE,
      each: Math.floor(AUDIO_RATE / AUDIO_SAMPLES),
      sizes: new Array(seconds * AUDIO_SAMPLES).fill(AUDIO),
      perChunk: AUDIO_SAMPLES
    }
  ]
  const media = tracks.reduce((sum, { sizes }) => sum + sizes.reduce((a, b) => a + b, 0), 0)
  const build = (base) => {
    const offsets = [[], []]
    let at = base
    for (let second = 0; second < seconds; second++) {
      offsets[0].push(at)
      for (let i = 0; i < FPS; i++) at += video[second * FPS + i]
      offsets[1].push(at)
      at += AUDIO_SAMPLES * AUDIO
    }
    return box(
      "moov",
      full("mvhd", u32(0, 0, 1_000, seconds * 1_000), Buffer.alloc(80)),
      ...tracks.map(({ codec, each, handler, id, perChunk, scale, sizes }, index) =>
        box(
          "trak",
          full("tkhd", u32(0, 0, id, 0, seconds * 1_000), Buffer.alloc(60)),
          box("edts", full("elst", u32(1, seconds * 1_000, 0, 0x10000))),
          box(
            "mdia",
            full("mdhd", u32(0, 0, scale, sizes.length * each, 0)),
            full("hdlr", u32(0), text(handler), Buffer.alloc(13)),
            box(
              "minf",
              box(
                "stbl",
                full("stsd", u32(1), box(codec, Buffer.alloc(90))),
                full("stts", u32(1, sizes.length, each)),
                ...(index === 0
                  ? [
                      full(
                        "stss",
                        u32(sizes.length / GOP),
                        words(Array.from({ length: sizes.length / GOP }, (_, i) => i * GOP + 1))
                      )
                    ]
                  : []),
                full("stsc", u32(1, 1, perChunk, 1)),
                full("stsz", u32(0, sizes.length), words(sizes)),
                full("stco", u32(offsets[index].length), words(offsets[index]))
              )
            )
          )
        )
      )
    )
  }
  const ftyp = box("ftyp", text("mp42"), u32(1), text("mp41mp42isomhlsf"))
  const base = ftyp.length + build(0).length + 8
  return { bytes: Buffer.concat([ftyp, build(base), u32(media + 8), text("mdat")]), video }
}

const noise = randomBytes(1024 * 1024)

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost")
  if (url.pathname === "/list") {
    const start = new Date(Date.parse(url.searchParams.get("start") ?? "") - 10).toISOString()
    const until = Date.parse(url.searchParams.get("end") ?? "") + 10
    response.writeHead(200, { "content-type": "application/json" })
    response.end(JSON.stringify([{ start, duration: (until - Date.parse(start)) / 1_000, url: "http://unused/get" }]))
    return
  }
  const seconds = 2 * Math.round(Number(url.searchParams.get("duration")) / 2)
  const { bytes, video } = head(seconds)
  response.writeHead(200, { "content-type": "video/mp4", "accept-ranges": "none" })
  response.write(bytes)
  let at = 0
  const write = async (size) => {
    if (at + size > noise.length) at = 0
    if (!response.write(noise.subarray(at, at + size)))
      await Promise.race([once(response, "drain"), once(response, "close")])
    at += size
  }
  for (let second = 0; second < seconds && !response.destroyed; second++) {
    for (let i = 0; i < FPS; i++) await write(video[second * FPS + i])
    for (let i = 0; i < AUDIO_SAMPLES; i++) await write(AUDIO)
  }
  response.end()
})
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`))
process.on("SIGTERM", () => process.exit(0))
