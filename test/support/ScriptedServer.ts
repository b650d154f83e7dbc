/** A real HTTP server on a free port of 127.0.0.1 that answers from a script, and remembers what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
  readonly at: number
}

export interface ScriptedServer {
  readonly base: string
  readonly port: number
  readonly asked: Array<Asked>
  answer: (asked: Asked, response: ServerResponse) => void
  readonly close: () => Promise<void>
}

export const scriptedServer = async (answer: ScriptedServer["answer"], port = 0): Promise<ScriptedServer> => {
  const asked: Array<Asked> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const entry: Asked = {
        method: request.method ?? "",
        url: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString("latin1"),
        at: performance.now()
      }
      asked.push(entry)
      scripted.answer(entry, response)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", resolve)
  })
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  const scripted: ScriptedServer = {
    base: `http://127.0.0.1:${address.port}`,
    port: address.port,
    asked,
    answer,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
  return scripted
}

/** Whole answers as the manager gives them. */
export const give = (response: ServerResponse, status: number, body: string, type = "text/yaml"): void => {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), connection: "close" })
  response.end(body)
}

/** What must never end up as a node's config, each as a server might really answer. */
export const failures: ReadonlyArray<readonly [string, (response: ServerResponse, whole: string) => void]> = [
  ["500", (response) => give(response, 500, "# end of mtx-manager config\n")],
  ["an empty 200", (response) => give(response, 200, "")],
  ["an HTML page", (response) => give(response, 200, "<html><body>Sign in to the guest network</body></html>\n")],
  [
    "half a body of the announced length",
    (response, whole) => {
      response.writeHead(200, { "content-length": Buffer.byteLength(whole) })
      response.write(whole.slice(0, whole.length / 2), () => response.destroy())
    }
  ],
  [
    "half a body of no announced length",
    (response, whole) => {
      response.writeHead(200, { "transfer-encoding": "identity", connection: "close" })
      response.end(whole.slice(0, whole.length / 2))
    }
  ],
  [
    "a redirect to a page",
    (response) => {
      response.writeHead(302, { location: "/login", "content-length": 0, connection: "close" })
      response.end()
    }
  ],
  ["403", (response) => give(response, 403, "{}")]
]
