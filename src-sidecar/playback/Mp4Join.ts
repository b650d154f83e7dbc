/**
 * Puts MP4 files one after another into one, without touching the media: new tables in front, then the media of each file
 * as it is. Nothing is copied on disk: the result is a list of bytes and ranges of files, to be read in order.
 *
 * Files can be joined when they have the same kinds of tracks. A change of resolution, say, is kept as a second sample
 * description.
 */
import type { FileHandle } from "node:fs/promises"
import * as Data from "effect/Data"
import { tidyAfter } from "../support/Memory.js"
import type { Growing } from "./Growing.js"
import {
  type Box,
  boxesIn,
  childrenOf,
  content,
  descend,
  editsOf,
  find,
  fromRangeError,
  headerAt,
  Mp4Error,
  readBox,
  readMp4,
  timeScaleOf,
  topLevel,
  versionOf,
  withFile
} from "./Mp4.js"

/** Bytes in memory, or a range of a file, which may still be coming in: `end` is the first byte after it. */
export type BodyPart =
  | Uint8Array
  | { readonly path: string; readonly start: number; readonly end: number; readonly growing?: Growing | undefined }

export const sizeOfPart = (part: BodyPart): number =>
  part instanceof Uint8Array ? part.byteLength : part.end - part.start

export interface Joined {
  readonly parts: ReadonlyArray<BodyPart>
  /** Bytes in all. */
  readonly size: number
  /** Milliseconds that a player shows. */
  readonly duration: number
}

/** The files are fine by themselves and can't be joined: other tracks, codecs or time scales. */
export class NotJoinable extends Data.TaggedError("NotJoinable")<{ readonly message: string }> {
  constructor(message: string) {
    super({ message })
  }
}

interface Track {
  readonly id: number
  readonly handler: string
  readonly timeScale: number
  /** Sample entries, each as its bytes. */
  readonly entries: ReadonlyArray<Buffer>
  /** In the time scale, one for each sample. */
  readonly durations: Uint32Array
  /** Undefined: none has any. */
  readonly compositionOffsets: Int32Array | undefined
  readonly sizes: Uint32Array
  /** Numbers, from 1, of the samples where decoding can begin. Undefined: all of them. */
  readonly sync: Uint32Array | undefined
  readonly chunks: ReadonlyArray<{ readonly offset: number; readonly samples: number; readonly entry: number }>
  /** In the time scale: what lies before the first frame that is shown. */
  readonly skip: number
  /** In the movie's time scale: the pause before it is shown. */
  readonly pause: number
}

interface Movie {
  readonly path: string
  readonly ftyp: Buffer
  readonly moov: Buffer
  readonly timeScale: number
  readonly tracks: ReadonlyArray<Track>
  /** Milliseconds that it is shown. */
  readonly duration: number
  readonly mdat: ReadonlyArray<Box>
}

const rows = (bytes: Buffer, box: Box, width: number, skip = 0): { readonly count: number; readonly at: number } => {
  const count = bytes.readUInt32BE(content(box) + skip)
  const at = content(box) + skip + 4
  if (at + count * width > box.start + box.size) throw new Mp4Error(`the table ${box.type} is longer than its box`)
  return { count, at }
}

/** Spreads a run-length table over its samples. */
const spread = (bytes: Buffer, box: Box, out: Uint32Array | Int32Array, read: (at: number) => number): number => {
  const { at, count } = rows(bytes, box, 8)
  let sample = 0
  for (let i = 0; i < count; i++) {
    const each = bytes.readUInt32BE(at + i * 8)
    const value = read(at + i * 8 + 4)
    out.fill(value, sample, sample + each)
    sample += each
  }
  return sample
}

const readTrack = (bytes: Buffer, trak: Box): Track => {
  const boxes = childrenOf(bytes, trak)
  const need = (box: Box | undefined, what: string): Box => {
    if (box === undefined) throw new Mp4Error(`a track has no ${what}`)
    return box
  }
  const stblBox = need(descend(bytes, boxes, "mdia", "minf", "stbl"), "stbl")
  const stbl = childrenOf(bytes, stblBox)
  const tkhd = need(find(boxes, "tkhd"), "tkhd")
  const hdlr = need(descend(bytes, boxes, "mdia", "hdlr"), "hdlr")
  const mdhd = need(descend(bytes, boxes, "mdia", "mdhd"), "mdhd")
  const stsd = need(find(stbl, "stsd"), "stsd")
  const stsz = need(find(stbl, "stsz"), "stsz")
  const stsc = need(find(stbl, "stsc"), "stsc")
  const stco = find(stbl, "stco")
  const offsets = stco ?? need(find(stbl, "co64"), "stco")

  const uniform = bytes.readUInt32BE(content(stsz))
  const samples = bytes.readUInt32BE(content(stsz) + 4)
  // A day at 1,000 samples a second; more is a broken number, and would take the memory of it.
  if (samples > 86_400_000) throw new Mp4Error(`a track claims ${samples} samples`)
  const sizes = new Uint32Array(samples)
  if (uniform !== 0) sizes.fill(uniform)
  else {
    const { at } = rows(bytes, stsz, 4, 4)
    for (let i = 0; i < samples; i++) sizes[i] = bytes.readUInt32BE(at + i * 4)
  }

  const durations = new Uint32Array(samples)
  const timed = spread(bytes, need(find(stbl, "stts"), "stts"), durations, (at) => bytes.readUInt32BE(at))
  if (timed < samples) throw new Mp4Error("a track has samples without a time")

  const ctts = find(stbl, "ctts")
  const compositionOffsets = ctts === undefined ? undefined : new Int32Array(samples)
  if (ctts !== undefined && compositionOffsets !== undefined) {
    spread(bytes, ctts, compositionOffsets, (at) => bytes.readInt32BE(at))
  }

  const stss = find(stbl, "stss")
  let sync: Uint32Array | undefined
  if (stss !== undefined) {
    const { at, count } = rows(bytes, stss, 4)
    sync = Uint32Array.from({ length: count }, (_, i) => bytes.readUInt32BE(at + i * 4))
  }

  const wide = stco === undefined
  const places = rows(bytes, offsets, wide ? 8 : 4)
  const runs = rows(bytes, stsc, 12)
  const chunks: Array<Track["chunks"][number]> = []
  for (let run = 0; run < runs.count; run++) {
    const at = runs.at + run * 12
    const first = bytes.readUInt32BE(at)
    const until = run + 1 < runs.count ? bytes.readUInt32BE(at + 12) : places.count + 1
    for (let chunk = first; chunk < until && chunk <= places.count; chunk++) {
      const place = places.at + (chunk - 1) * (wide ? 8 : 4)
      chunks.push({
        offset: wide ? Number(bytes.readBigUInt64BE(place)) : bytes.readUInt32BE(place),
        samples: bytes.readUInt32BE(at + 4),
        entry: bytes.readUInt32BE(at + 8)
      })
    }
  }

  const entriesFrom = content(stsd) + 4
  const entries = boxesIn(bytes, entriesFrom, stsd.start + stsd.size).map((box) =>
    bytes.subarray(box.start, box.start + box.size)
  )

  let skip = 0
  let pause = 0
  const elst = descend(bytes, boxes, "edts", "elst")
  if (elst !== undefined) {
    for (const edit of editsOf(bytes, elst)) {
      if (edit.mediaTime === -1) pause += edit.duration
      else {
        skip = edit.mediaTime
        break
      }
    }
  }
  return {
    id: bytes.readUInt32BE(content(tkhd) + (versionOf(bytes, tkhd) === 1 ? 16 : 8)),
    handler: bytes.toString("latin1", content(hdlr) + 4, content(hdlr) + 8),
    timeScale: timeScaleOf(bytes, mdhd) || 1,
    entries,
    durations,
    compositionOffsets,
    sizes,
    sync,
    chunks,
    skip,
    pause
  }
}

const total = (values: Uint32Array): number => {
  let sum = 0
  for (const value of values) sum += value
  return sum
}

/** Milliseconds at which a track ends in its movie. */
const endOf = (track: Track, movieScale: number): number =>
  (track.pause / movieScale) * 1000 + ((total(track.durations) - track.skip) / track.timeScale) * 1000

const readMovie = async (path: string, file: FileHandle, top: ReadonlyArray<Box>): Promise<Movie> => {
  const ftyp = find(top, "ftyp")
  const moovBox = find(top, "moov")
  if (ftyp === undefined || moovBox === undefined) throw new Mp4Error("the file has no moov")
  const moov = await readBox(file, moovBox)
  const [outer] = boxesIn(moov, 0, moov.length)
  const boxes = outer === undefined ? [] : childrenOf(moov, outer)
  const mvhd = find(boxes, "mvhd")
  if (mvhd === undefined) throw new Mp4Error("the file has no mvhd")
  if (find(boxes, "mvex") !== undefined) throw new NotJoinable("a fragmented file")
  const timeScale = timeScaleOf(moov, mvhd) || 1
  const tracks = boxes.filter((box) => box.type === "trak").map((trak) => readTrack(moov, trak))
  return {
    path,
    ftyp: await readBox(file, ftyp),
    moov,
    timeScale,
    tracks,
    duration: Math.max(0, ...tracks.map((track) => endOf(track, timeScale))),
    mdat: top.filter((box) => box.type === "mdat")
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Writing

/** A box that is not in one piece yet. */
interface Pieces {
  readonly size: number
  readonly bytes: ReadonlyArray<Uint8Array>
}
type Body = Uint8Array | Pieces

const sizeOf = (body: Body): number => (body instanceof Uint8Array ? body.byteLength : body.size)
const bytesOf = (body: Body): ReadonlyArray<Uint8Array> => (body instanceof Uint8Array ? [body] : body.bytes)

const word = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

const box = (type: string, ...body: ReadonlyArray<Body>): Pieces => {
  const size = 8 + body.reduce((sum, part) => sum + sizeOf(part), 0)
  return { size, bytes: [word(size), Buffer.from(type, "latin1"), ...body.flatMap(bytesOf)] }
}

const fullBox = (type: string, version: number, ...body: ReadonlyArray<Body>): Pieces =>
  box(type, Buffer.from([version, 0, 0, 0]), ...body)

const words = (values: ArrayLike<number>): Buffer => {
  const bytes = Buffer.allocUnsafe(values.length * 4)
  for (let i = 0; i < values.length; i++) bytes.writeUInt32BE((values[i] ?? 0) >>> 0, i * 4)
  return bytes
}

const longs = (values: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.allocUnsafe(values.length * 8)
  for (const [i, value] of values.entries()) bytes.writeBigInt64BE(BigInt(value), i * 8)
  return bytes
}

/** Runs of equal values as pairs of count and value. */
const runLengths = (values: Uint32Array | Int32Array): Array<number> => {
  const pairs: Array<number> = []
  let from = 0
  for (let i = 1; i <= values.length; i++) {
    if (i < values.length && values[i] === values[from]) continue
    pairs.push(i - from, values[from] ?? 0)
    from = i
  }
  return pairs
}

/** One track of the result. Chunk offsets are relative to the movie that the chunk is from. */
interface Made {
  readonly template: Track
  readonly entries: Array<Buffer>
  readonly durations: Array<Uint32Array>
  readonly compositionOffsets: Array<Int32Array>
  readonly sizes: Array<Uint32Array>
  readonly sync: Array<Uint32Array>
  /** Decoding can begin at every sample so far. */
  allSync: boolean
  readonly chunks: Array<{ readonly movie: number; readonly offset: number; readonly samples: number; entry: number }>
  samples: number
  /** In the time scale. */
  end: number
}

/** What is skipped before a later file's first frame has no place in time: its frames are decoded at once. */
const squeeze = (track: Track): Uint32Array => {
  if (track.skip === 0) return track.durations
  const durations = track.durations.slice()
  let left = track.skip
  for (let i = 0; i < durations.length && left > 0; i++) {
    const taken = Math.min(left, durations[i] ?? 0)
    durations[i] = (durations[i] ?? 0) - taken
    left -= taken
  }
  return durations
}

const append = (made: Made, track: Track, movie: number, offset: number, movieScale: number): void => {
  const { template } = made
  if (track.timeScale !== template.timeScale) throw new NotJoinable("the time scales of a track differ")
  const indices = track.entries.map((entry) => {
    const type = entry.toString("latin1", 4, 8)
    const known = made.entries.findIndex((other) => other.equals(entry))
    if (known !== -1) return known + 1
    if (made.entries.some((other) => other.toString("latin1", 4, 8) !== type)) {
      throw new NotJoinable("the codecs of a track differ")
    }
    return made.entries.push(entry)
  })
  const durations = movie === 0 ? track.durations : squeeze(track)
  if (movie > 0) {
    // The last frame before lasts until this file's first.
    const begin = Math.round((offset / 1000 + track.pause / movieScale) * track.timeScale)
    const last = made.durations[made.durations.length - 1]
    if (last !== undefined && last.length > 0) {
      const copy = last.slice()
      const stretched = (copy[copy.length - 1] ?? 0) + begin - made.end
      copy[copy.length - 1] = Math.max(0, stretched)
      made.durations[made.durations.length - 1] = copy
    }
    made.end = begin
  } else made.end = -track.skip + Math.round((track.pause / movieScale) * track.timeScale)
  made.end += total(durations)
  made.durations.push(durations)
  const samples = track.sizes.length
  if (track.compositionOffsets !== undefined || made.compositionOffsets.length > 0) {
    if (made.compositionOffsets.length === 0 && made.samples > 0)
      made.compositionOffsets.push(new Int32Array(made.samples))
    made.compositionOffsets.push(track.compositionOffsets ?? new Int32Array(samples))
  }
  made.sizes.push(track.sizes)
  if (!made.allSync || track.sync !== undefined) {
    const upTo = (length: number) => Uint32Array.from({ length }, (_, i) => i + 1)
    if (made.allSync && made.samples > 0) made.sync.push(upTo(made.samples))
    made.allSync = false
    made.sync.push((track.sync ?? upTo(samples)).map((number) => made.samples + number))
  }
  for (const chunk of track.chunks) {
    made.chunks.push({ movie, offset: chunk.offset, samples: chunk.samples, entry: indices[chunk.entry - 1] ?? 1 })
  }
  made.samples += samples
}

const concatUint32 = (arrays: ReadonlyArray<Uint32Array>): Uint32Array => {
  if (arrays.length === 1 && arrays[0] !== undefined) return arrays[0]
  const all = new Uint32Array(arrays.reduce((sum, array) => sum + array.length, 0))
  let at = 0
  for (const array of arrays) {
    all.set(array, at)
    at += array.length
  }
  return all
}

const concatInt32 = (arrays: ReadonlyArray<Int32Array>): Int32Array => {
  if (arrays.length === 1 && arrays[0] !== undefined) return arrays[0]
  const all = new Int32Array(arrays.reduce((sum, array) => sum + array.length, 0))
  let at = 0
  for (const array of arrays) {
    all.set(array, at)
    at += array.length
  }
  return all
}

const sampleTable = (made: Made, place: (movie: number, offset: number) => number, wide: boolean): Pieces => {
  const runs: Array<number> = []
  let samples = -1
  let entry = -1
  for (const [index, chunk] of made.chunks.entries()) {
    if (chunk.samples === samples && chunk.entry === entry) continue
    samples = chunk.samples
    entry = chunk.entry
    runs.push(index + 1, samples, entry)
  }
  const offsets = made.chunks.map((chunk) => place(chunk.movie, chunk.offset))
  const times = runLengths(concatUint32(made.durations))
  const compositionOffsets = concatInt32(made.compositionOffsets)
  const composition = compositionOffsets.some((value) => value !== 0) ? runLengths(compositionOffsets) : undefined
  const sizes = concatUint32(made.sizes)
  const sync = concatUint32(made.sync)
  return box(
    "stbl",
    fullBox("stsd", 0, word(made.entries.length), ...made.entries),
    fullBox("stts", 0, word(times.length / 2), words(times)),
    ...(composition === undefined ? [] : [fullBox("ctts", 1, word(composition.length / 2), words(composition))]),
    ...(made.allSync ? [] : [fullBox("stss", 0, word(sync.length), words(sync))]),
    fullBox("stsc", 0, word(runs.length / 3), words(runs)),
    fullBox("stsz", 0, word(0), word(sizes.length), words(sizes)),
    wide
      ? fullBox("co64", 0, word(offsets.length), longs(offsets))
      : fullBox("stco", 0, word(offsets.length), words(offsets))
  )
}

/** A header box with another duration. Longer than 32 bits in a short box: all ones, which means unknown. */
const withDuration = (bytes: Buffer, at: Box, duration: number, offset: readonly [number, number]): Buffer => {
  const copy = Buffer.from(bytes.subarray(at.start, at.start + at.size))
  const from = at.header + 4
  if (versionOf(bytes, at) === 1) copy.writeBigUInt64BE(BigInt(duration), from + offset[1])
  else copy.writeUInt32BE(Math.min(duration, 0xffffffff), from + offset[0])
  return copy
}

const verbatim = (bytes: Buffer, at: Box): Buffer => bytes.subarray(at.start, at.start + at.size)

/** The trees that lead to what is replaced; all other boxes stay as they are. */
const rebuild = (
  bytes: Buffer,
  trak: Box,
  made: Made,
  movieScale: number,
  place: (movie: number, offset: number) => number,
  wide: boolean
): Pieces => {
  const { template } = made
  const media = total(concatUint32(made.durations))
  const shown = Math.round((made.end / template.timeScale) * movieScale)
  const edits: Array<number> = []
  if (template.pause > 0) edits.push(template.pause, -1, 0x10000)
  edits.push(shown - template.pause, template.skip, 0x10000)
  const edts = box("edts", fullBox("elst", 0, word(edits.length / 3), words(edits)))
  const rewrite = (parent: Box, replace: (child: Box) => Body | undefined): Pieces =>
    box(
      parent.type,
      ...childrenOf(bytes, parent).flatMap((child) => {
        const made = replace(child)
        return made === undefined ? [] : [made]
      })
    )
  return rewrite(trak, (child) => {
    switch (child.type) {
      case "tkhd":
        return { size: child.size + edts.size, bytes: [withDuration(bytes, child, shown, [16, 24]), ...edts.bytes] }
      case "edts":
        return undefined
      case "mdia":
        return rewrite(child, (inner) => {
          if (inner.type === "mdhd") return withDuration(bytes, inner, media, [12, 20])
          if (inner.type !== "minf") return verbatim(bytes, inner)
          return rewrite(inner, (part) =>
            part.type === "stbl" ? sampleTable(made, place, wide) : verbatim(bytes, part)
          )
        })
      default:
        return verbatim(bytes, child)
    }
  })
}

/** The media begins behind these tables, whose length is known only now. */
const shiftChunks = (head: Buffer, moovAt: number, wide: boolean): void => {
  const [moov] = boxesIn(head, moovAt, moovAt + head.readUInt32BE(moovAt))
  if (moov === undefined) return
  for (const trak of childrenOf(head, moov).filter(({ type }) => type === "trak")) {
    const table = descend(head, childrenOf(head, trak), "mdia", "minf", "stbl", wide ? "co64" : "stco")
    if (table === undefined) continue
    const { at, count } = rows(head, table, wide ? 8 : 4)
    for (let i = 0; i < count; i++) {
      if (wide) head.writeBigUInt64BE(head.readBigUInt64BE(at + i * 8) + BigInt(head.length), at + i * 8)
      else head.writeUInt32BE(head.readUInt32BE(at + i * 4) + head.length, at + i * 4)
    }
  }
}

const assemble = (movies: ReadonlyArray<Movie>): Joined => {
  const [first] = movies
  if (first === undefined) throw new NotJoinable("there is nothing to join")
  const made = first.tracks.map((template, index): Made => {
    const track: Made = {
      template,
      entries: [],
      durations: [],
      compositionOffsets: [],
      sizes: [],
      sync: [],
      allSync: true,
      chunks: [],
      samples: 0,
      end: 0
    }
    let offset = 0
    for (const [movie, { duration, timeScale, tracks }] of movies.entries()) {
      const source = tracks[index]
      if (tracks.length !== first.tracks.length || source === undefined || source.handler !== template.handler) {
        throw new NotJoinable("the tracks differ")
      }
      append(track, source, movie, offset, timeScale)
      offset += duration
    }
    return track
  })
  const duration = movies.reduce((sum, movie) => sum + movie.duration, 0)

  // Where each movie's media begins in the result's mdat, less where it began in its own file.
  const ranges: Array<{ movie: number; start: number; end: number; at: number }> = []
  let media = 0
  for (const [movie, { mdat }] of movies.entries()) {
    for (const part of mdat) {
      const start = part.start + part.header
      const end = part.start + part.size
      ranges.push({ movie, start, end, at: media })
      media += end - start
    }
  }
  const place = (movie: number, offset: number) => {
    const range = ranges.find((range) => range.movie === movie && offset >= range.start && offset < range.end)
    if (range === undefined) throw new Mp4Error("a chunk lies outside of the media")
    return range.at + offset - range.start
  }

  const bytes = first.moov
  const [outer] = boxesIn(bytes, 0, bytes.length)
  const children = outer === undefined ? [] : childrenOf(bytes, outer)
  const wide = media > 0xf0000000
  let track = -1
  const moov = box(
    "moov",
    ...children.map((child): Body => {
      if (child.type === "mvhd") {
        return withDuration(bytes, child, Math.round((duration / 1000) * first.timeScale), [12, 20])
      }
      if (child.type !== "trak") return verbatim(bytes, child)
      track++
      const of = made[track]
      return of === undefined ? verbatim(bytes, child) : rebuild(bytes, child, of, first.timeScale, place, wide)
    })
  )
  const mdatHeader = wide
    ? Buffer.concat([word(1), Buffer.from("mdat", "latin1"), longs([media + 16])])
    : Buffer.concat([word(media + 8), Buffer.from("mdat", "latin1")])
  const head = Buffer.concat([first.ftyp, ...moov.bytes, mdatHeader])
  shiftChunks(head, first.ftyp.length, wide)
  const parts: ReadonlyArray<BodyPart> = [
    head,
    ...ranges.map(({ end, movie, start }) => ({ path: movies[movie]?.path ?? "", start, end }))
  ]
  return { parts, size: head.length + media, duration }
}

// ---------------------------------------------------------------------------------------------------------------------
// Fragments

/** A `moof` that begins later, by so much of each track's own time. */
const shiftFragment = (moof: Buffer, shifts: ReadonlyMap<number, number>): Buffer => {
  const copy = Buffer.from(moof)
  const [outer] = boxesIn(copy, 0, copy.length)
  for (const traf of outer === undefined ? [] : childrenOf(copy, outer).filter((child) => child.type === "traf")) {
    const inner = childrenOf(copy, traf)
    const tfhd = find(inner, "tfhd")
    const tfdt = find(inner, "tfdt")
    if (tfhd === undefined || tfdt === undefined) throw new Mp4Error("a fragment says neither its track nor its time")
    // Offsets from the beginning of the file would be wrong in another one.
    if ((copy.readUInt8(tfhd.start + tfhd.header + 3) & 1) !== 0) throw new NotJoinable("fragments with fixed offsets")
    const shift = shifts.get(copy.readUInt32BE(content(tfhd))) ?? 0
    if (versionOf(copy, tfdt) === 1) {
      copy.writeBigUInt64BE(copy.readBigUInt64BE(content(tfdt)) + BigInt(shift), content(tfdt))
    } else {
      const from = copy.readUInt32BE(content(tfdt)) + shift
      if (from > 0xffffffff)
        throw new NotJoinable("fragments with times of 32 bits, in a clip that is too long for them")
      copy.writeUInt32BE(from, content(tfdt))
    }
  }
  return copy
}

/**
 * Fragmented files as one, in their order. They have to have one and the same head: a change of resolution can't be told in
 * the middle.
 */
export const joinFragments = async (paths: ReadonlyArray<string>): Promise<Joined> => {
  const parts: Array<BodyPart> = []
  let head: Buffer | undefined
  let duration = 0
  for (const path of paths) {
    const info = await readMp4(path)
    await withFile(path, async (file) => {
      const top = await topLevel(file, info.size)
      const moovBox = find(top, "moov")
      const moov = moovBox === undefined ? Buffer.alloc(0) : await readBox(file, moovBox)
      if (!info.fragmented) throw new NotJoinable("a file without fragments")
      if (head === undefined) {
        head = moov
        parts.push({ path, start: 0, end: info.size })
        return
      }
      if (!head.equals(moov)) throw new NotJoinable("the heads differ")
      const [outer] = boxesIn(moov, 0, moov.length)
      const shifts = new Map(
        (outer === undefined ? [] : childrenOf(moov, outer))
          .filter((child) => child.type === "trak")
          .map((trak) => {
            const { id, timeScale } = readTrack(moov, trak)
            return [id, Math.round((duration / 1000) * timeScale)] as const
          })
      )
      for (const child of top) {
        if (child.type === "moof") parts.push(shiftFragment(await readBox(file, child), shifts))
        else if (child.type === "mdat") parts.push({ path, start: child.start, end: child.start + child.size })
      }
    })
    duration += info.duration
  }
  return { parts, size: parts.reduce((sum, part) => sum + sizeOfPart(part), 0), duration }
}

/**
 * The files as one, in their order. Rejects with `NotJoinable` when they differ too much, and with `Mp4Error` when one is
 * broken. Of one file: the same with its tables written anew.
 */
export const joinMp4 = async (paths: ReadonlyArray<string>): Promise<Joined> => {
  const movies: Array<Movie> = []
  for (const path of paths) {
    const read = async (file: FileHandle) => readMovie(path, file, await topLevel(file, (await file.stat()).size))
    movies.push(await withFile(path, read))
  }
  try {
    return assemble(movies)
  } catch (error) {
    throw fromRangeError(error)
  }
}

/**
 * What `joinMp4` will make of one file that is still coming in, told as soon as its tables are there. Rejects when they stand
 * behind the media.
 */
export const joinGrowing = async (growing: Growing, path: string): Promise<Joined> => {
  try {
    const top: Array<Box> = []
    let at = 0
    while (top.at(-1)?.type !== "mdat") {
      await growing.reached(at + 16)
      const box = await headerAt(growing.file, at)
      top.push(box)
      at += box.size
      if (box.type !== "mdat") await growing.reached(at)
    }
    const { parts, ...joined } = assemble([await readMovie(path, growing.file, top)])
    tidyAfter(find(top, "moov")?.size ?? 0)
    return { ...joined, parts: parts.map((part) => (part instanceof Uint8Array ? part : { ...part, growing })) }
  } catch (error) {
    throw fromRangeError(error)
  }
}
