/** MP4 files made by the test itself: what is in each box is known, whatever the code under test thinks of it. */

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}
const ascii = (text: string): Buffer => Buffer.from(text, "latin1")

export const box = (type: string, ...body: ReadonlyArray<Buffer>): Buffer => {
  const all = Buffer.concat(body)
  return Buffer.concat([u32(all.length + 8), ascii(type), all])
}
const full = (type: string, ...body: ReadonlyArray<Buffer>): Buffer => box(type, u32(0), ...body)

export interface SyntheticTrack {
  readonly handler: "vide" | "soun"
  readonly codec: string
  readonly timeScale: number
  /** Duration of each sample, in the time scale. */
  readonly each: number
  readonly samples: number
  /** Bytes of each sample. */
  readonly size: number
  /** Every so many samples decoding can begin; 1 is all of them. */
  readonly gop: number
  /** Samples before the first that is shown. */
  readonly skip?: number
  /** Milliseconds before the track is shown. */
  readonly pause?: number
  /** Bytes of the sample entry after its head, to tell configurations apart. */
  readonly configuration?: string
}

const track = (id: number, of: SyntheticTrack, offset: number): Buffer => {
  const media = of.samples * of.each
  const skip = (of.skip ?? 0) * of.each
  const shown = Math.round(((media - skip) / of.timeScale) * 1000)
  const edits = [
    ...(of.pause === undefined ? [] : [u32(of.pause), u32(0xffffffff), u32(0x10000)]),
    u32(shown),
    u32(skip),
    u32(0x10000)
  ]
  const sync: Array<Buffer> = []
  for (let i = 0; i < of.samples; i += of.gop) sync.push(u32(i + 1))
  return box(
    "trak",
    full("tkhd", u32(0), u32(0), u32(id), u32(0), u32(shown), Buffer.alloc(60)),
    box("edts", full("elst", u32(edits.length / 3), ...edits)),
    box(
      "mdia",
      full("mdhd", u32(0), u32(0), u32(of.timeScale), u32(media), u32(0)),
      full("hdlr", u32(0), ascii(of.handler), Buffer.alloc(12), Buffer.alloc(1)),
      box(
        "minf",
        box(
          "stbl",
          full("stsd", u32(1), box(of.codec, Buffer.alloc(8), ascii(of.configuration ?? "configuration"))),
          full("stts", u32(1), u32(of.samples), u32(of.each)),
          ...(of.gop === 1 ? [] : [full("stss", u32(sync.length), ...sync)]),
          full("stsc", u32(1), u32(1), u32(of.samples), u32(1)),
          full("stsz", u32(of.size), u32(of.samples)),
          full("stco", u32(1), u32(offset))
        )
      )
    )
  )
}

/** The file up to the media, and how many bytes of media follow. */
export const syntheticHead = (
  tracks: ReadonlyArray<SyntheticTrack>
): { readonly head: Buffer; readonly media: number } => {
  const ftyp = box("ftyp", ascii("isom"), u32(1), ascii("isommp42"))
  const media = tracks.reduce((sum, { samples, size }) => sum + samples * size, 0)
  const moov = (base: number): Buffer => {
    let offset = base
    return box(
      "moov",
      full("mvhd", u32(0), u32(0), u32(1000), u32(0), Buffer.alloc(80)),
      ...tracks.map((of, index) => {
        const made = track(index + 1, of, offset)
        offset += of.samples * of.size
        return made
      })
    )
  }
  const base = ftyp.length + moov(0).length + 8
  return { head: Buffer.concat([ftyp, moov(base), u32(media + 8), ascii("mdat")]), media }
}

/** A whole file: each track's samples are filled with a letter of its own. */
export const syntheticMp4 = (tracks: ReadonlyArray<SyntheticTrack>, letters = "AB"): Buffer => {
  const { head } = syntheticHead(tracks)
  return Buffer.concat([
    head,
    ...tracks.map(({ samples, size }, index) => Buffer.alloc(samples * size, letters[index] ?? "?"))
  ])
}
