/**
 * Load for one server, from a process of its own: `node bench/driver.mjs` reads one JSON job from its arguments and prints
 * one JSON result. Raw sockets and constant bytes, so that the server, not the client, is what is measured.
 *
 * job: {port, requests: string[] (whole HTTP/1.1 requests, sent in rotation), connections, seconds, fresh}
 * `fresh: true` opens a new TCP connection for each request, as MediaMTX does for each auth call; otherwise connections
 * are kept and one request is in flight on each. `@@@@@@@@@@` in a request becomes a
 * number that each round of the rotation has to itself.
 */
import { connect } from "node:net"

const job = JSON.parse(process.argv[2])
const PLACE = "@@@@@@@@@@"
const requests = job.requests.map((text) => ({ bytes: Buffer.from(text, "utf8"), at: text.indexOf(PLACE) }))
// Unique across the drivers of one run, too: the clock's tenths of seconds lead.
let unique = (Math.floor(Date.now() / 100) % 10_000) * 1_000_000
const HOST = "127.0.0.1"

let done = 0
let failed = 0
let next = 0
let running = true
const statuses = {}
const latencies = []

/** The next request, ready to be written. */
const take = () => {
  const { at, bytes } = requests[next++ % requests.length]
  if (at < 0) return bytes
  const copy = Buffer.from(bytes)
  // One number for each round of the rotation: a reader comes, and the same one goes.
  copy.write(String(Math.floor(unique++ / requests.length)).padStart(PLACE.length, "0"), at, "latin1")
  return copy
}

const finish = (status, started) => {
  if (!running) return
  statuses[status] = (statuses[status] ?? 0) + 1
  done++
  if ((done & 15) === 0) latencies.push(performance.now() - started)
}

/** Length of the first whole response in `text`, or -1. Servers here always send Content-Length or a bodiless status. */
const responseEnd = (buffer) => {
  const head = buffer.indexOf("\r\n\r\n")
  if (head < 0) return -1
  const status = Number(buffer.toString("latin1", 9, 12))
  if (status === 204 || status === 304) return head + 4
  const length = /\r\ncontent-length: *(\d+)/i.exec(buffer.toString("latin1", 0, head))
  if (length === null) return -1
  const end = head + 4 + Number(length[1])
  return buffer.length >= end ? end : -1
}

const freshLoop = () => {
  if (!running) return
  const started = performance.now()
  const socket = connect({ port: job.port, host: HOST, noDelay: true })
  let received
  let answered = false
  socket.on("connect", () => socket.write(take()))
  socket.on("data", (chunk) => {
    received = received === undefined ? chunk : Buffer.concat([received, chunk])
    if (!answered && responseEnd(received) >= 0) {
      answered = true
      finish(received.toString("latin1", 9, 12), started)
      socket.destroy()
      freshLoop()
    }
  })
  const lost = () => {
    if (answered || !running) return
    answered = true
    failed++
    socket.destroy()
    setImmediate(freshLoop)
  }
  socket.on("error", lost)
  socket.on("close", lost)
}

const keptLoop = () => {
  const socket = connect({ port: job.port, host: HOST, noDelay: true })
  let received
  let started = 0
  const send = () => {
    if (!running) return socket.destroy()
    started = performance.now()
    socket.write(take())
  }
  socket.on("connect", send)
  socket.on("data", (chunk) => {
    received = received === undefined ? chunk : Buffer.concat([received, chunk])
    const end = responseEnd(received)
    if (end < 0) return
    finish(received.toString("latin1", 9, 12), started)
    received = received.length === end ? undefined : received.subarray(end)
    send()
  })
  socket.on("error", () => {
    if (running) failed++
  })
  socket.on("close", () => {
    if (running) keptLoop()
  })
}

const begun = performance.now()
for (let i = 0; i < job.connections; i++) (job.fresh ? freshLoop : keptLoop)()
setTimeout(() => {
  running = false
  const seconds = (performance.now() - begun) / 1000
  latencies.sort((a, b) => a - b)
  const at = (q) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? 0
  process.stdout.write(
    `${JSON.stringify({ rps: done / seconds, failed, statuses, p50: at(0.5), p99: at(0.99), done })}\n`,
    () => process.exit(0)
  )
}, job.seconds * 1000)
