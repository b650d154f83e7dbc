/**
 * A proxy in front of the manager that a test can close for uploads: what a storage that is slow or away looks like to a
 * worker.
 */
import { createServer, request as httpRequest, type ServerResponse } from "node:http"

export interface Gate {
  readonly url: string
  /** `open` passes all on, `hold` takes a little of each upload and then no more, `down` cuts uploads. */
  uploads: "open" | "hold" | "down"
  /** Uploads that began. */
  readonly begun: () => number
  /** Resolves when an upload is held. */
  readonly held: () => Promise<void>
  readonly close: () => Promise<void>
}

export const openGate = async (port: number, target: number): Promise<Gate> => {
  let begun = 0
  let wake: Array<() => void> = []
  const pending = new Set<ServerResponse>()
  const server = createServer((request, response) => {
    const upload = request.method === "PUT" && (request.url ?? "").startsWith("/storage/")
    if (upload) {
      begun++
      if (gate.uploads === "down") {
        request.socket.destroy()
        return
      }
      if (gate.uploads === "hold") {
        pending.add(response)
        request.once("data", () => {
          request.pause()
          for (const each of wake) each()
          wake = []
        })
        return
      }
    }
    const onward = httpRequest(
      { host: "127.0.0.1", port: target, method: request.method, path: request.url, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        answer.on("error", () => response.destroy())
      }
    )
    onward.on("error", () => {
      if (response.headersSent) response.destroy()
      else response.writeHead(502).end()
    })
    // A caller that has gone is gone for the manager too.
    response.on("close", () => onward.destroy())
    request.pipe(onward)
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", resolve)
  })
  const gate: Gate = {
    url: `http://127.0.0.1:${port}`,
    uploads: "open",
    begun: () => begun,
    held: () => new Promise((resolve) => wake.push(resolve)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
  return gate
}
