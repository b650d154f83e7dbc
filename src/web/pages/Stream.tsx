import { useMemo, useState } from "preact/hooks"
import { get, messageOf } from "../Api.js"
import { snapshot } from "../Live.js"
import { Ago, Badge, Note } from "../parts/Parts.js"
import { Scroll } from "../parts/Scroll.js"
import { link } from "../Route.js"
import { useStore } from "../Store.js"
import type { StreamLocations } from "../Wire.js"
import { Sessions, type Shown } from "./Sessions.js"

const protocols = ["webrtc", "hls", "rtsp", "rtmp", "srt"] as const
type Protocol = (typeof protocols)[number]

/** The page that MediaMTX itself has for watching. */
const playerOf = (protocol: Protocol, url: string): string | undefined => {
  if (protocol === "webrtc") return url
  return protocol === "hls" ? url.replace(/index\.m3u8(?=$|\?)/, "") : undefined
}

const Locator = ({ path }: { readonly path: string }) => {
  const [found, setFound] = useState<
    { protocol: Protocol; streams: StreamLocations["streams"] } | { protocol: Protocol; error: string } | undefined
  >(undefined)
  const [player, setPlayer] = useState<string | undefined>(undefined)
  const look = async (protocol: Protocol) => {
    setPlayer(undefined)
    const escaped = path.split("/").map(encodeURIComponent).join("/")
    try {
      const { streams } = await get<StreamLocations>(`/streams/${escaped}?protocol=${protocol}&format=json`)
      setFound({ protocol, streams })
    } catch (error) {
      setFound({ protocol, error: messageOf(error) })
    }
  }
  return (
    <section class="card" aria-labelledby="watch">
      <h2 id="watch">Watch</h2>
      <div class="row">
        {protocols.map((protocol) => (
          <button
            type="button"
            key={protocol}
            aria-pressed={found?.protocol === protocol}
            onClick={() => void look(protocol)}
          >
            {protocol.toUpperCase()}
          </button>
        ))}
      </div>
      {found !== undefined && "error" in found && <Note tone="warn">{found.error}</Note>}
      {found !== undefined && "streams" in found && (
        <Scroll>
          <table>
            <thead>
              <tr>
                <th scope="col">Node</th>
                <th scope="col">URL</th>
                <th scope="col">Readers</th>
                <th scope="col">
                  <span class="hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {found.streams.map(({ node, readers, state, url }) => {
                const page = playerOf(found.protocol, url)
                return (
                  <tr key={node}>
                    <td>
                      <a href={link(["nodes", node])}>{node}</a>
                    </td>
                    <td>
                      <code>{url}</code> {state === "onDemand" && <span class="badge">on demand</span>}
                    </td>
                    <td>{readers}</td>
                    <td>
                      {page !== undefined && (
                        <button type="button" onClick={() => setPlayer(page)}>
                          Preview
                        </button>
                      )}
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </Scroll>
      )}
      {player !== undefined && (
        <>
          <iframe
            title={`Preview of ${path}`}
            src={player}
            allow="autoplay; fullscreen"
            sandbox="allow-scripts allow-same-origin"
          />
          <p class="soft">
            Straight from the node: it shows if this browser reaches it, and the node lets it in.{" "}
            <a href={player} target="_blank" rel="noreferrer">
              In a window of its own
            </a>
          </p>
        </>
      )}
    </section>
  )
}

export const Stream = ({ path }: { readonly path: string }) => {
  const fleet = useStore(snapshot)
  const places = fleet?.paths.filter((each) => each.path === path) ?? []
  const sessions = useMemo(() => {
    const of = (list: ReadonlyArray<Omit<Shown, "what">>, what: Shown["what"]) =>
      list.filter((session) => session.path === path).map((session) => ({ ...session, what }))
    return { publishers: of(fleet?.publishers ?? [], "publishes"), readers: of(fleet?.readers ?? [], "reads") }
  }, [fleet, path])
  return (
    <>
      <div class="row">
        <h1>{path}</h1>
        <a class="button" href={link(["recordings"], { path })}>
          Recordings
        </a>
      </div>
      <section class="card" aria-labelledby="where">
        <h2 id="where">Where</h2>
        {places.length === 0 && <p class="soft">On no node right now.</p>}
        {places.length > 0 && (
          <Scroll>
            <table>
              <thead>
                <tr>
                  <th scope="col">Node</th>
                  <th scope="col">State</th>
                  <th scope="col">Readers</th>
                  <th scope="col">Since</th>
                </tr>
              </thead>
              <tbody>
                {places.map(({ available, node, readers, since }) => (
                  <tr key={node}>
                    <td>
                      <a href={link(["nodes", node])}>{node}</a>
                    </td>
                    <td>
                      <Badge state={available ? "available" : "waiting"}>{available ? "available" : "no stream"}</Badge>
                    </td>
                    <td>{readers}</td>
                    <td>
                      <Ago at={since} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
      </section>
      <Locator path={path} key={path} />
      <section class="card" aria-labelledby="publishers">
        <h2 id="publishers">Who publishes</h2>
        <Sessions sessions={sessions.publishers} name="node" />
      </section>
      <section class="card" aria-labelledby="readers">
        <h2 id="readers">Who reads ({sessions.readers.length})</h2>
        <Sessions sessions={sessions.readers} name="node" />
      </section>
    </>
  )
}
