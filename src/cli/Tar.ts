/**
 * Tar archives (ustar) of plain files, as `tar` reads and writes them: enough for backups. Files are streamed, never held in
 * memory.
 */
import { createReadStream } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"

const BLOCK = 512
/** What a name can have without extensions of the format. */
const MAX_NAME = 100
/** As long as a piece of a file is read and written at once. */
const PIECE = 1024 * 1024

export interface TarEntry {
  /** Relative, with `/`. */
  readonly name: string
  readonly size: number
}

const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, "0")}\0`

const header = (name: string, size: number, mtime: number): Buffer => {
  if (Buffer.byteLength(name) > MAX_NAME) throw new Error(`the name ${name} is longer than ${MAX_NAME} bytes`)
  // 8 GiB is what eleven octal digits hold; beyond it the size is in base 256, which GNU and BSD tar read.
  const block = Buffer.alloc(BLOCK)
  block.write(name, 0, "utf8")
  block.write(octal(0o600, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  if (size < 8 ** 11) block.write(octal(size, 12), 124)
  else {
    block.writeUInt8(0x80, 124)
    block.writeBigUInt64BE(BigInt(size), 128)
  }
  block.write(octal(Math.floor(mtime / 1000), 12), 136)
  block.write("        ", 148)
  block.write("0", 156)
  block.write("ustar\0", 257)
  block.write("00", 263)
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return block
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

/** Writes an archive to a file that must not exist yet. `mtime` in epoch milliseconds. */
export const writeTar = async (
  archive: string,
  entries: ReadonlyArray<{ readonly name: string; readonly file: string }>,
  mtime: number
): Promise<void> => {
  const out = await open(archive, "wx", 0o600)
  try {
    for (const { file, name } of entries) {
      const source = await open(file, "r")
      try {
        const { size } = await source.stat()
        await out.write(header(name, size, mtime))
        let written = 0
        // No more than the header says, even if it grows meanwhile.
        const stream = createReadStream(file, {
          fd: source,
          autoClose: false,
          highWaterMark: PIECE,
          end: Math.max(0, size - 1)
        })
        if (size > 0) {
          for await (const piece of stream) {
            const bytes: Buffer = piece
            await out.write(bytes)
            written += bytes.length
          }
        }
        if (written !== size) throw new Error(`${file} became shorter while it was read`)
        await out.write(Buffer.alloc(padding(size)))
      } finally {
        await source.close()
      }
    }
    await out.write(Buffer.alloc(2 * BLOCK))
    // It is to be there after a power loss.
    await out.sync()
  } finally {
    await out.close()
  }
}

const text = (block: Buffer, from: number, length: number): string => {
  const bytes = block.subarray(from, from + length)
  const end = bytes.indexOf(0)
  return bytes.subarray(0, end === -1 ? length : end).toString("utf8")
}

const sizeIn = (block: Buffer): number =>
  ((block[124] ?? 0) & 0x80) === 0
    ? Number.parseInt(text(block, 124, 12).trim(), 8)
    : Number(block.readBigUInt64BE(128))

/** Reads exactly so much, or throws. */
const readAt = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, position)
  if (bytesRead !== length) throw new Error("the archive ends too early")
  return buffer
}

/**
 * Goes through an archive. `target` says where an entry is to be written; undefined passes over it. Throws where the
 * archive is damaged, or holds anything but plain files.
 */
export const readTar = async (
  archive: string,
  target: (entry: TarEntry) => string | undefined
): Promise<ReadonlyArray<TarEntry>> => {
  const found: Array<TarEntry> = []
  const input = await open(archive, "r")
  try {
    for (let at = 0; ; ) {
      const block = await readAt(input, at, BLOCK)
      at += BLOCK
      if (block.every((byte) => byte === 0)) return found
      const stated = Number.parseInt(text(block, 148, 8).trim(), 8)
      block.write("        ", 148)
      let sum = 0
      for (const byte of block) sum += byte
      if (sum !== stated) throw new Error("the archive is damaged, or is no tar archive")
      const name = text(block, 0, MAX_NAME)
      const kind = String.fromCharCode(block[156] ?? 0)
      const size = sizeIn(block)
      if (kind !== "0" && kind !== "\0") throw new Error(`${name} is not a plain file`)
      if (!Number.isSafeInteger(size) || size < 0) throw new Error(`${name} has no size`)
      const entry = { name, size }
      const file = target(entry)
      if (file !== undefined) {
        const out = await open(file, "wx", 0o600)
        try {
          for (let done = 0; done < size; ) {
            const piece = await readAt(input, at + done, Math.min(PIECE, size - done))
            await out.write(piece)
            done += piece.length
          }
          await out.sync()
        } finally {
          await out.close()
        }
      }
      found.push(entry)
      at += size + padding(size)
    }
  } finally {
    await input.close()
  }
}
