/**
 * RTSP sessions inside the test's own process, over TCP or TLS: they connect in milliseconds, so that a test can lose and
 * remake hundreds of them.
 */
import { connect, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"

/** Two seconds of H264, one slice a frame, as NAL units. */
export interface Clip {
  readonly parameters: readonly [sps: Buffer, pps: Buffer]
  readonly frames: ReadonlyArray<ReadonlyArray<Buffer>>
}

/** Reads Annex B: `ffmpeg ... -threads 1 -tune zerolatency -f h264`. */
export const readClip = (bytes: Buffer): Clip => {
  const units: Array<Buffer> = []
  let start = -1
  for (let at = 0; at + 2 < bytes.length; at++) {
    if (bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) continue
    if (start >= 0) units.push(bytes.subarray(start, bytes[at - 1] === 0 ? at - 1 : at))
    start = at + 3
  }
  if (start >= 0) units.push(bytes.subarray(start))
  const type = (unit: Buffer) => (unit[0] ?? 0) & 0x1f
  const sps = units.find((unit) => type(unit) === 7)
  const pps = units.find((unit) => type(unit) === 8)
  if (sps === undefined || pps === undefined) throw new Error("no parameter sets in the clip")
  return {
    parameters: [sps, pps],
    frames: units.flatMap((unit) => (type(unit) === 5 ? [[sps, pps, unit]] : type(unit) === 1 ? [[unit]] : []))
  }
}

export interface RtspSession {
  readonly open: () => boolean
  readonly close: () => void
}

interface Connection {
  readonly socket: Socket
  readonly ask: (
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    body?: string
  ) => Promise<string>
}

const dial = async (port: number, tls: boolean): Promise<Connection> => {
  const socket: Socket = tls
    ? connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false })
    : connect({ host: "127.0.0.1", port })
  let pending = Buffer.alloc(0)
  let wanted: { readonly take: (text: string) => void; readonly fail: (error: Error) => void } | undefined
  const fail = (error: Error) => {
    wanted?.fail(error)
    wanted = undefined
  }
  socket.on("error", fail)
  socket.on("close", () => fail(new Error("closed")))
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length > 0) {
      // Media between the answers: a dollar, the channel, the length.
      if (pending[0] === 0x24) {
        if (pending.length < 4) return
        const size = 4 + pending.readUInt16BE(2)
        if (pending.length < size) return
        pending = pending.subarray(size)
        continue
      }
      const end = pending.indexOf("\r\n\r\n")
      if (end < 0) return
      const head = pending.subarray(0, end).toString()
      const size = end + 4 + Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? "0")
      if (pending.length < size) return
      const text = pending.subarray(0, size).toString()
      pending = pending.subarray(size)
      wanted?.take(text)
      wanted = undefined
    }
  })
  await new Promise<void>((resolve, reject) => {
    socket.once(tls ? "secureConnect" : "connect", () => resolve())
    socket.once("error", reject)
  })
  let sequence = 0
  return {
    socket,
    ask: (method, url, headers, body = "") =>
      new Promise<string>((resolve, reject) => {
        const lines = Object.entries({ ...headers, ...(body !== "" && { "Content-Length": String(body.length) }) })
        wanted = {
          take: (text) =>
            text.startsWith("RTSP/1.0 200")
              ? resolve(text)
              : reject(new Error(`${method} ${url}: ${text.split("\r\n")[0]}`)),
          fail: reject
        }
        socket.write(
          `${method} ${url} RTSP/1.0\r\nCSeq: ${++sequence}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`
        )
      })
  }
}

const sessionOf = (answer: string): string => /^session: *([^;\r\n]+)/im.exec(answer)?.[1] ?? ""

const started = (connection: Connection, timer?: NodeJS.Timeout): RtspSession => {
  let open = true
  connection.socket.on("close", () => {
    open = false
    clearInterval(timer)
  })
  return { open: () => open, close: () => connection.socket.destroy() }
}

/** Publishes the clip over and over, ten frames a second. */
export const publish = async (port: number, path: string, clip: Clip): Promise<RtspSession> => {
  const connection = await dial(port, false)
  const url = `rtsp://127.0.0.1:${port}/${path}`
  try {
    const sets = clip.parameters.map((set) => set.toString("base64")).join(",")
    const sdp = [
      "v=0",
      "o=- 0 0 IN IP4 127.0.0.1",
      "s=test",
      "t=0 0",
      "m=video 0 RTP/AVP 96",
      "c=IN IP4 0.0.0.0",
      "a=rtpmap:96 H264/90000",
      `a=fmtp:96 packetization-mode=1; sprop-parameter-sets=${sets}`,
      "a=control:trackID=0",
      ""
    ].join("\r\n")
    await connection.ask("ANNOUNCE", url, { "Content-Type": "application/sdp" }, sdp)
    const setup = await connection.ask("SETUP", `${url}/trackID=0`, {
      Transport: "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"
    })
    await connection.ask("RECORD", url, { Session: sessionOf(setup) })
  } catch (error) {
    connection.socket.destroy()
    throw error
  }
  let frame = 0
  let packet = 0
  const send = () => {
    const units = clip.frames[frame % clip.frames.length] ?? []
    for (const [index, unit] of units.entries()) {
      const out = Buffer.alloc(16 + unit.length)
      out[0] = 0x24
      out.writeUInt16BE(12 + unit.length, 2)
      out[4] = 0x80
      out[5] = 96 | (index === units.length - 1 ? 0x80 : 0)
      out.writeUInt16BE(packet++ & 0xffff, 6)
      out.writeUInt32BE((frame * 9000) >>> 0, 8)
      out.writeUInt32BE(0x1234, 12)
      unit.copy(out, 16)
      connection.socket.write(out)
    }
    frame++
  }
  send()
  return started(connection, setInterval(send, 100))
}

/** Reads and throws away. */
export const read = async (port: number, path: string, options?: { readonly tls?: boolean }): Promise<RtspSession> => {
  const tls = options?.tls === true
  const connection = await dial(port, tls)
  const url = `rtsp${tls ? "s" : ""}://127.0.0.1:${port}/${path}`
  try {
    const described = await connection.ask("DESCRIBE", url, { Accept: "application/sdp" })
    const base = /^content-base: *(\S+)/im.exec(described)?.[1] ?? `${url}/`
    const control = [...described.matchAll(/^a=control:(\S+)/gm)].at(-1)?.[1] ?? "trackID=0"
    const setup = await connection.ask("SETUP", /^rtsps?:/.test(control) ? control : `${base}${control}`, {
      Transport: `RTP/${tls ? "S" : ""}AVP/TCP;unicast;interleaved=0-1`
    })
    await connection.ask("PLAY", base, { Session: sessionOf(setup) })
  } catch (error) {
    connection.socket.destroy()
    throw error
  }
  return started(connection)
}
