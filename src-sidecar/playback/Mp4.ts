/**
 * Reads the boxes of an MP4 file, as little of it as is needed: how long each track is shown, and whether the file is whole.
 *
 * MediaMTX's `/get` ends a body that broke off like any other, so that only the file itself tells. Both of its forms are
 * read: `mp4` (tables in `moov`) and `fmp4` (`moof` fragments).
 */
import { type FileHandle, open } from "node:fs/promises"
import * as Data from "effect/Data"

/** A box in a file: where it is and what it holds. */
export interface Box {
  readonly type: string
  /** Offset of its header. */
  readonly start: number
  /** Bytes of its header: 8, or 16 for a 64-bit size. */
  readonly header: number
  /** Bytes in all. */
  readonly size: number
}

export interface Mp4Track {
  readonly id: number
  /** `vide`, `soun`, ... */
  readonly handler: string
  /** The first sample entry's four characters, such as `avc1`. */
  readonly codec: string
  /** Milliseconds from the file's beginning until this track is first shown. */
  readonly start: number
  /** Milliseconds at which its last sample ends. */
  readonly end: number
  readonly samples: number
}

export interface Mp4Info {
  readonly fragmented: boolean
  readonly tracks: ReadonlyArray<Mp4Track>
  /** Milliseconds that a player shows: the end of the longest track. */
  readonly duration: number
  /** Bytes of the file. */
  readonly size: number
}

/** The file is no MP4, or ends before it should. */
export class Mp4Error extends Data.TaggedError("Mp4Error")<{ readonly message: string }> {
  constructor(message: string) {
    super({ message })
  }
}

/** No `moov` of a clip comes near it; a larger one is a broken size field. */
const MAX_TABLES = 256 * 1024 * 1024

const fourCharacters = (bytes: Buffer, at: number): string => bytes.toString("latin1", at, at + 4)

/** The boxes in `bytes` from `from` to `to`. */
export const boxesIn = (bytes: Buffer, from: number, to: number): ReadonlyArray<Box> => {
  const found: Array<Box> = []
  let at = from
  while (at + 8 <= to) {
    let size = bytes.readUInt32BE(at)
    let header = 8
    if (size === 1) {
      if (at + 16 > to) throw new Mp4Error("a box has half a header")
      size = Number(bytes.readBigUInt64BE(at + 8))
      header = 16
    } else if (size === 0) size = to - at
    if (size < header || at + size > to) throw new Mp4Error(`the box ${fourCharacters(bytes, at + 4)} is cut off`)
    found.push({ type: fourCharacters(bytes, at + 4), start: at, header, size })
    at += size
  }
  return found
}

export const childrenOf = (bytes: Buffer, box: Box): ReadonlyArray<Box> =>
  boxesIn(bytes, box.start + box.header, box.start + box.size)

export const find = (boxes: ReadonlyArray<Box>, type: string): Box | undefined => boxes.find((box) => box.type === type)

/** The box at the end of a path of types. */
export const descend = (bytes: Buffer, from: ReadonlyArray<Box>, ...types: ReadonlyArray<string>): Box | undefined => {
  let boxes = from
  let box: Box | undefined
  for (const type of types) {
    box = find(boxes, type)
    if (box === undefined) return undefined
    boxes = type === types[types.length - 1] ? [] : childrenOf(bytes, box)
  }
  return box
}

/** Where the content of a full box begins: after its header, version and flags. */
export const content = (box: Box): number => box.start + box.header + 4
export const versionOf = (bytes: Buffer, box: Box): number => bytes.readUInt8(box.start + box.header)
const flagsOf = (bytes: Buffer, box: Box): number => bytes.readUIntBE(box.start + box.header + 1, 3)

const readAt = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const bytes = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled)
    if (bytesRead === 0) throw new Mp4Error("the file ends in the middle of a box")
    filled += bytesRead
  }
  return bytes
}

/** A box of a file with all its bytes, for those that are small: `moov` and `moof`. */
export const readBox = (file: FileHandle, box: Box): Promise<Buffer> => {
  if (box.size > MAX_TABLES) throw new Mp4Error(`the box ${box.type} claims ${box.size} bytes`)
  return readAt(file, box.start, box.size)
}

/** The header of a box of which at least 16 bytes are there, and whose size it says itself. */
export const headerAt = async (file: FileHandle, start: number): Promise<Box> => {
  const head = await readAt(file, start, 16)
  const short = head.readUInt32BE(0)
  const header = short === 1 ? 16 : 8
  const size = short === 1 ? Number(head.readBigUInt64BE(8)) : short
  if (size < header) throw new Mp4Error(`not an MP4 file: no box has a size of ${size}`)
  return { type: fourCharacters(head, 4), start, header, size }
}

/** The outermost boxes, each of them whole. */
export const topLevel = async (file: FileHandle, fileSize: number): Promise<ReadonlyArray<Box>> => {
  const found: Array<Box> = []
  let at = 0
  while (at < fileSize) {
    if (at + 8 > fileSize) throw new Mp4Error("the file ends in the middle of a box's header")
    const head = await readAt(file, at, Math.min(16, fileSize - at))
    const type = fourCharacters(head, 4)
    let size = head.readUInt32BE(0)
    let header = 8
    if (size === 1) {
      if (head.length < 16) throw new Mp4Error("the file ends in the middle of a box's header")
      size = Number(head.readBigUInt64BE(8))
      header = 16
    } else if (size === 0) size = fileSize - at
    if (size < header) throw new Mp4Error(`not an MP4 file: no box has a size of ${size}`)
    if (at === 0 && type !== "ftyp") throw new Mp4Error("not an MP4 file: it does not begin with ftyp")
    if (at + size > fileSize) {
      throw new Mp4Error(`the file is cut off: its ${type} needs ${at + size - fileSize} bytes more`)
    }
    found.push({ type, start: at, header, size })
    at += size
  }
  if (found.length === 0) throw new Mp4Error("the file is empty")
  return found
}

/** One entry of an edit list. `mediaTime` is -1 for a pause. */
export interface Edit {
  /** In the movie's time scale. */
  readonly duration: number
  /** In the track's time scale. */
  readonly mediaTime: number
}

export const editsOf = (bytes: Buffer, elst: Box): ReadonlyArray<Edit> => {
  const at = content(elst)
  const wide = versionOf(bytes, elst) === 1
  const count = bytes.readUInt32BE(at)
  const width = wide ? 20 : 12
  if (count * width > elst.size) throw new Mp4Error("an edit list is longer than its box")
  return Array.from({ length: count }, (_, index) => {
    const entry = at + 4 + index * width
    return wide
      ? { duration: Number(bytes.readBigUInt64BE(entry)), mediaTime: Number(bytes.readBigInt64BE(entry + 8)) }
      : { duration: bytes.readUInt32BE(entry), mediaTime: bytes.readInt32BE(entry + 4) }
  })
}

/** The time scale in an `mvhd` or `mdhd`. */
export const timeScaleOf = (bytes: Buffer, box: Box): number =>
  bytes.readUInt32BE(content(box) + (versionOf(bytes, box) === 1 ? 16 : 8))

const sampleTotals = (bytes: Buffer, stts: Box): { readonly samples: number; readonly duration: number } => {
  const count = bytes.readUInt32BE(content(stts))
  if (count * 8 > stts.size) throw new Mp4Error("a time table is longer than its box")
  let samples = 0
  let duration = 0
  for (let i = 0; i < count; i++) {
    const at = content(stts) + 4 + i * 8
    const each = bytes.readUInt32BE(at)
    samples += each
    duration += each * bytes.readUInt32BE(at + 4)
  }
  return { samples, duration }
}

interface TrackHead {
  readonly id: number
  readonly handler: string
  readonly codec: string
  readonly timeScale: number
  readonly boxes: ReadonlyArray<Box>
  readonly stbl: ReadonlyArray<Box>
}

const headOf = (bytes: Buffer, trak: Box): TrackHead => {
  const boxes = childrenOf(bytes, trak)
  const need = (...types: ReadonlyArray<string>): Box => {
    const box = descend(bytes, boxes, ...types)
    if (box === undefined) throw new Mp4Error(`a track has no ${types.join("/")}`)
    return box
  }
  const tkhd = need("tkhd")
  const hdlr = need("mdia", "hdlr")
  const stbl = childrenOf(bytes, need("mdia", "minf", "stbl"))
  const stsd = find(stbl, "stsd")
  if (stsd === undefined || stsd.size < 24) throw new Mp4Error("a track has no sample description")
  return {
    id: bytes.readUInt32BE(content(tkhd) + (versionOf(bytes, tkhd) === 1 ? 16 : 8)),
    handler: fourCharacters(bytes, content(hdlr) + 4),
    codec: fourCharacters(bytes, content(stsd) + 8),
    timeScale: timeScaleOf(bytes, need("mdia", "mdhd")) || 1,
    boxes,
    stbl
  }
}

const plainTrack = (bytes: Buffer, head: TrackHead, movieScale: number): Mp4Track => {
  const { boxes, codec, handler, id, stbl, timeScale } = head
  const stts = find(stbl, "stts")
  if (stts === undefined) throw new Mp4Error("a track has no time table")
  const { duration, samples } = sampleTotals(bytes, stts)
  const elst = descend(bytes, boxes, "edts", "elst")
  if (elst === undefined) return { id, handler, codec, samples, start: 0, end: (duration / timeScale) * 1000 }
  let start: number | undefined
  let at = 0
  for (const edit of editsOf(bytes, elst)) {
    const asked = (edit.duration / movieScale) * 1000
    if (edit.mediaTime === -1) at += asked
    else {
      start ??= at
      // MediaMTX adds what lies before the first shown frame where it should take it away: no more is shown than there is.
      at += Math.min(asked, ((duration - edit.mediaTime) / timeScale) * 1000)
    }
  }
  return { id, handler, codec, samples, start: start ?? 0, end: at }
}

/** The flags of `trun` and `tfhd` that say which fields are there. */
const TRUN_DATA_OFFSET = 0x1
const TRUN_FIRST_FLAGS = 0x4
const TRUN_DURATION = 0x100
const TRUN_PER_SAMPLE = [0x100, 0x200, 0x400, 0x800]
const TFHD_BASE_OFFSET = 0x1
const TFHD_DESCRIPTION = 0x2
const TFHD_DURATION = 0x8

interface Fragment {
  readonly track: number
  readonly from: number
  readonly duration: number
  readonly samples: number
}

/** What each `traf` of a `moof` adds to its track, in the track's time scale. */
const fragmentsOf = (moof: Buffer, defaults: ReadonlyMap<number, number>): ReadonlyArray<Fragment> => {
  const [outer] = boxesIn(moof, 0, moof.length)
  if (outer === undefined) return []
  return childrenOf(moof, outer)
    .filter((box) => box.type === "traf")
    .map((traf): Fragment => {
      const boxes = childrenOf(moof, traf)
      const tfhd = find(boxes, "tfhd")
      if (tfhd === undefined) throw new Mp4Error("a fragment names no track")
      const track = moof.readUInt32BE(content(tfhd))
      const flags = flagsOf(moof, tfhd)
      let at = content(tfhd) + 4
      if ((flags & TFHD_BASE_OFFSET) !== 0) at += 8
      if ((flags & TFHD_DESCRIPTION) !== 0) at += 4
      const usual = (flags & TFHD_DURATION) !== 0 ? moof.readUInt32BE(at) : (defaults.get(track) ?? 0)
      const tfdt = find(boxes, "tfdt")
      const from =
        tfdt === undefined
          ? 0
          : versionOf(moof, tfdt) === 1
            ? Number(moof.readBigUInt64BE(content(tfdt)))
            : moof.readUInt32BE(content(tfdt))
      let samples = 0
      let duration = 0
      for (const trun of boxes.filter((box) => box.type === "trun")) {
        const runFlags = flagsOf(moof, trun)
        const count = moof.readUInt32BE(content(trun))
        samples += count
        if ((runFlags & TRUN_DURATION) === 0) {
          duration += count * usual
          continue
        }
        const width = 4 * TRUN_PER_SAMPLE.filter((flag) => (runFlags & flag) !== 0).length
        let entry = content(trun) + 4
        if ((runFlags & TRUN_DATA_OFFSET) !== 0) entry += 4
        if ((runFlags & TRUN_FIRST_FLAGS) !== 0) entry += 4
        if (entry + count * width > trun.start + trun.size) throw new Mp4Error("a run is longer than its box")
        for (let i = 0; i < count; i++) duration += moof.readUInt32BE(entry + i * width)
      }
      return { track, from, duration, samples }
    })
}

const defaultDurations = (bytes: Buffer, moov: ReadonlyArray<Box>): ReadonlyMap<number, number> => {
  const mvex = find(moov, "mvex")
  if (mvex === undefined) return new Map()
  return new Map(
    childrenOf(bytes, mvex)
      .filter((box) => box.type === "trex")
      .map((box) => [bytes.readUInt32BE(content(box)), bytes.readUInt32BE(content(box) + 8)])
  )
}

const readInfo = async (file: FileHandle): Promise<Mp4Info> => {
  const { size } = await file.stat()
  const top = await topLevel(file, size)
  const moovBox = find(top, "moov")
  if (moovBox === undefined) throw new Mp4Error("the file has no moov: it says nothing about its content")
  const bytes = await readBox(file, moovBox)
  const [outer] = boxesIn(bytes, 0, bytes.length)
  const moov = outer === undefined ? [] : childrenOf(bytes, outer)
  const mvhd = find(moov, "mvhd")
  if (mvhd === undefined) throw new Mp4Error("the file has no mvhd")
  const movieScale = timeScaleOf(bytes, mvhd) || 1
  const heads = moov.filter((box) => box.type === "trak").map((trak) => headOf(bytes, trak))
  const moofs = top.filter((box) => box.type === "moof")
  const fragmented = find(moov, "mvex") !== undefined

  const tracks: Array<Mp4Track> = []
  if (!fragmented) {
    if (find(top, "mdat") === undefined) throw new Mp4Error("the file has no mdat: there is no media in it")
    tracks.push(...heads.map((head) => plainTrack(bytes, head, movieScale)))
  } else {
    const defaults = defaultDurations(bytes, moov)
    const extents = new Map<number, { from: number; to: number; samples: number }>()
    for (const box of moofs) {
      for (const { duration, from, samples, track } of fragmentsOf(await readBox(file, box), defaults)) {
        const known = extents.get(track)
        extents.set(track, {
          from: Math.min(known?.from ?? from, from),
          to: Math.max(known?.to ?? 0, from + duration),
          samples: (known?.samples ?? 0) + samples
        })
      }
    }
    for (const { codec, handler, id, timeScale } of heads) {
      const extent = extents.get(id)
      if (extent === undefined) continue
      const { from, samples, to } = extent
      tracks.push({ id, handler, codec, samples, start: (from / timeScale) * 1000, end: (to / timeScale) * 1000 })
    }
  }
  const shown = tracks.filter((track) => track.samples > 0)
  if (shown.length === 0) throw new Mp4Error("there is no media in the file")
  return { fragmented, tracks: shown, duration: Math.max(...shown.map((track) => track.end)), size }
}

/** A number that can't be: the tables are broken, and were read beyond their end. */
export const fromRangeError = (error: unknown): unknown =>
  error instanceof RangeError ? new Mp4Error(`the file's tables are broken: ${error.message}`) : error

/** Runs `use` on the open file, and closes it. Errors of broken numbers in it are `Mp4Error`s too. */
export const withFile = async <A>(path: string, use: (file: FileHandle) => Promise<A>): Promise<A> => {
  const file = await open(path, "r")
  try {
    return await use(file)
  } catch (error) {
    throw fromRangeError(error)
  } finally {
    await file.close()
  }
}

/**
 * What a file holds. Rejects with `Mp4Error` when it is no MP4 or not whole.
 *
 * @example
 * ```ts
 * const { duration, tracks } = await readMp4("clip.mp4")
 * ```
 */
export const readMp4 = (path: string): Promise<Mp4Info> => withFile(path, readInfo)
