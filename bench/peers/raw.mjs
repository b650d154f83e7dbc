/** Peer: node:http by hand. `node bench/peers/raw.mjs FILE` prints `listening on PORT`. */
import { createServer } from "node:http"
import { makeWork, sampleConfig } from "./work.mjs"

const work = makeWork(process.argv[2], sampleConfig())
const EMPTY = { "Content-Length": "0" }

const readBody = (req, then) => {
  const chunks = []
  let size = 0
  req.on("data", (chunk) => {
    size += chunk.length
    if (size > 1_048_576) return req.destroy()
    chunks.push(chunk)
  })
  req.on("end", () => then(chunks.length === 1 ? chunks[0].toString("utf8") : Buffer.concat(chunks).toString("utf8")))
}

const server = createServer((req, res) => {
  const at = req.url.indexOf("?")
  const path = at < 0 ? req.url : req.url.slice(0, at)
  const query = at < 0 ? "" : req.url.slice(at + 1)
  if (req.method === "POST" && path === "/auth") {
    readBody(req, (body) => {
      res.writeHead(work.auth(query, body), EMPTY)
      res.end()
    })
  } else if (req.method === "POST" && path === "/hooks") {
    readBody(req, (body) => {
      res.writeHead(work.hook(query, req.headers.authorization, body), EMPTY)
      res.end()
    })
  } else if (req.method === "GET" && path === "/") {
    const answer = work.config(query, req.headers.authorization, req.headers["if-none-match"])
    if (answer.status === 200) {
      res.writeHead(200, { "Content-Type": "text/yaml", "Content-Length": answer.bytes.length, ETag: answer.etag })
      res.end(answer.bytes)
    } else {
      res.writeHead(answer.status, answer.etag === undefined ? EMPTY : { ETag: answer.etag })
      res.end()
    }
  } else {
    res.writeHead(404, EMPTY)
    res.end()
  }
})
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`))
