import { useMemo, useState } from "preact/hooks"
import { get, messageOf } from "../Api.js"
import { showNumber } from "../Format.js"
import { snapshot } from "../Live.js"
import { NodeLink, Note, Section } from "../parts/Parts.js"
import { Table } from "../parts/Table.js"
import { link } from "../Route.js"
import { useStore } from "../Store.js"
import type { StreamLocations } from "../Wire.js"
import { Paths } from "./Paths.js"
import { Sessions, sessionsOf } from "./Sessions.js"

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
    <Section id="watch" title="Watch">
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
        <Table
          rows={found.streams}
          columns={[
            { head: "Node", cell: ({ node }) => <NodeLink id={node} /> },
            {
              head: "URL",
              cell: ({ state, url }) => (
                <>
                  <code>{url}</code> {state === "onDemand" && <span class="badge">on demand</span>}
                </>
              )
            },
            { head: "Readers", cell: ({ readers }) => readers },
            {
              head: "",
              cell: ({ url }) => {
                const page = playerOf(found.protocol, url)
                return (
                  page !== undefined && (
                    <button type="button" onClick={() => setPlayer(page)}>
                      Preview
                    </button>
                  )
                )
              }
            }
          ]}
          keyOf={({ node }) => node}
          empty="On no node right now."
        />
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
    </Section>
  )
}

export const Stream = ({ path }: { readonly path: string }) => {
  const fleet = useStore(snapshot)
  const places = fleet?.paths.filter((each) => each.path === path) ?? []
  const sessions = useMemo(() => sessionsOf(fleet, "path", path), [fleet, path])
  const publishers = sessions.filter(({ what }) => what === "publishes")
  const readers = sessions.filter(({ what }) => what === "reads")
  return (
    <>
      <div class="row">
        <h1>{path}</h1>
        <a class="button" href={link(["recordings"], { path })}>
          Recordings
        </a>
      </div>
      <Section id="where" title="Where">
        <Paths places={places} of="path" value={path} empty="On no node right now." />
      </Section>
      <Locator path={path} key={path} />
      <Section id="publishers" title="Who publishes">
        <Sessions sessions={publishers} name="node" />
      </Section>
      <Section id="readers" title={`Who reads (${showNumber(readers.length)})`}>
        <Sessions sessions={readers} name="node" />
      </Section>
    </>
  )
}
