/** A server behind a plug: its bytes are passed on as they are, until the plug is pulled. Nobody answers then. */
import { connect, createServer, type Server, type Socket } from "node:net"

export interface Relay {
  readonly port: number
  /** Cuts all connections, and refuses new ones. */
  readonly down: () => Promise<void>
  readonly up: () => Promise<void>
  readonly close: () => Promise<void>
}

export const openRelay = async (target: number): Promise<Relay> => {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
    socket.on("error", () => socket.destroy())
    return socket
  }
  let server: Server | undefined
  let port = 0
  const up = () =>
    new Promise<void>((resolve, reject) => {
      const made = createServer((incoming) => {
        const onward = keep(connect({ host: "127.0.0.1", port: target }))
        keep(incoming).pipe(onward).pipe(incoming)
        incoming.on("close", () => onward.destroy())
        onward.on("close", () => incoming.destroy())
      })
      made.once("error", reject)
      made.listen(port, "127.0.0.1", () => {
        const address = made.address()
        if (address !== null && typeof address === "object") port = address.port
        server = made
        resolve()
      })
    })
  const down = () =>
    new Promise<void>((resolve) => {
      const open = server
      server = undefined
      if (open === undefined) return resolve()
      open.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  await up()
  return { port, down, up, close: down }
}
